"""The bounds of the engine, with their units and defaults. Pure: `config` reads the environment."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """The settings of the engine. The field `name` is set by the environment variable `ROOMLOG_NAME`."""

    # Bounds on what clients send.
    max_frame_bytes: int = 64 * 1024  # one WebSocket message, one REST body
    max_text_chars: int = 4_000
    max_data_bytes: int = 4 * 1024  # custom JSON of a message, a room or a user, as compact JSON
    max_client_id_chars: int = 64
    max_fragments: int = 64  # WebSocket fragments of one message
    handshake_timeout_s: float = 10.0
    handshake_batch: int = 100  # tokens that are checked together
    handshake_backlog: int = 10_000  # handshakes waiting for the database
    handshakes_per_s: float = 1_000.0  # the rate at which a process can take clients back
    send_window: int = 32  # sends of one socket in flight; the next is read when one of them is answered
    max_followed_rooms: int = 1_000  # by one socket
    max_sockets: int = 100  # of one user, in each process
    history_page_max: int = 100  # messages
    page_max_bytes: int = 64 * 1024  # messages or events of one page; one that is larger comes alone
    # Quotas of users, which `rooms/services/quotas.py` counts in the database. 0: no bound.
    max_memberships: int = 2_000  # of one user
    max_rooms_owned: int = 1_000  # by one user
    max_room_members: int = 100_000  # of one room
    rooms_per_day: int = 100  # that one user creates
    additions_per_day: int = 1_000  # of other people to rooms, by one user
    # Rates.
    actions_per_s: float = 20.0  # of one user, on average (token bucket)
    actions_burst: int = 40
    read_bytes_per_s: int = 2 * 1024 * 1024  # of pages and replays that one user is sent, on average (token bucket)
    read_bytes_burst: int = 128 * 1024 * 1024
    flood_refusals: int = 200  # `rate_limited` replies after which the socket is closed (token bucket)
    flood_refusals_per_s: float = 10.0  # of them, what a client may go on to receive
    bytes_per_s: int = 1024 * 1024  # read from one connection, on average (token bucket)
    bytes_burst: int = 4 * 1024 * 1024
    frames_per_s: float = 100.0  # read from one connection, with fragments, on average
    frames_burst: int = 400
    control_frames_per_s: float = 10.0  # pings, pongs and closes read from one connection, on average
    control_frames_burst: int = 50
    flood_patience_s: float = 10.0  # for which a connection may stay over these budgets before it is closed
    # Bounds on HTTP, and so on the handshakes of sockets.
    tls_handshake_timeout_s: float = 10.0  # if the server itself serves TLS
    http_head_timeout_s: float = 10.0  # from the opening of a connection, or a request's first byte, to its head's end
    http_head_max_bytes: int = 32 * 1024  # request line and headers
    http_max_headers: int = 100  # of one request
    http_body_timeout_s: float = 30.0  # from the end of a request's head to the end of its body
    http_keep_alive_s: float = 65.0  # between two requests; proxies close their idle connections after 60 s
    http_max_requests: int = 1_000  # of one connection, which is then closed
    http_pipeline: int = 8  # requests of one connection that wait while another one is answered
    max_connections: int = 50_000  # of each process, and at most what its open files allow
    max_connections_per_address: int = 5_000  # in each process, as the next two; an IPv6 address counts by its /64
    max_sockets_per_address: int = 4_000
    max_requests_per_address: int = 200  # under way
    max_requests: int = 1_000  # that each process handles at once, in a thread each
    # Bounds on what a process keeps, and how long it waits.
    replay_page_entries: int = 200
    replay_reads: int = 2  # pages of logs that are read at the same time for followers who catch up
    pages_max_bytes: int = 32 * 1024 * 1024  # of log pages that are cached for followers who catch up
    ring_max_frames: int = 64  # latest frames of one room, which are kept encoded
    ring_max_bytes: int = 64 * 1024
    parked_max_bytes: int = 512 * 1024  # entries of one room that arrived ahead of those they follow
    rings_max_bytes: int = 64 * 1024 * 1024  # of newest and early entries; the least recently active rooms drop theirs
    send_buffer_bytes: int = 64 * 1024  # unsent bytes of a connection above which nothing more is written to it
    stalled_writer_s: float = 10.0  # time without progress after which a slow reader's connection is closed
    writer_backlog: int = 10_000  # sends waiting for the database
    writer_batch: int = 500  # sends in one transaction
    writer_patience_s: float = 10.0  # how long a send waits for a locked room before it is refused with `overloaded`
    park_s: float = 0.010  # how long to wait for a missing entry before reading it from the database
    sweep_interval_s: float = 1.0
    reconnect_spread_s: float = 1.0  # the time over which clients reconnect when a process drains
    relay_max_bytes: int = 16 * 1024 * 1024  # of notices that wait for the channel layer; above it, only hints are kept
    relay_pause_s: float = 0.005  # between two rounds of publishing; commits in between are published together
    relay_timeout_s: float = 2.0  # for one call of the channel layer
    relay_break_s: float = 2.0  # pause after a call of the channel layer failed
    heartbeat_s: float = 25.0  # time without a frame after which a client should ping


# The bounds that clients can run into, which `hello` announces.
ANNOUNCED = (
    "max_frame_bytes",
    "max_text_chars",
    "max_data_bytes",
    "max_client_id_chars",
    "max_fragments",
    "send_window",
    "max_followed_rooms",
    "max_sockets",
    "history_page_max",
    "page_max_bytes",
    "max_memberships",
    "max_rooms_owned",
    "max_room_members",
    "rooms_per_day",
    "additions_per_day",
    "actions_per_s",
    "actions_burst",
    "read_bytes_per_s",
    "read_bytes_burst",
    "bytes_per_s",
    "bytes_burst",
    "frames_per_s",
    "frames_burst",
    "control_frames_per_s",
    "control_frames_burst",
    "handshake_timeout_s",
    "stalled_writer_s",
)
