"""Every bound of the engine, with its unit and default. Pure; `config` fills it from the environment."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Each field is the setting `ROOMLOG_<NAME>`. All are bounds: nothing in the engine grows without one."""

    # What a client may send.
    max_frame_bytes: int = 64 * 1024  # one WebSocket message, one REST body
    max_text_chars: int = 4_000
    max_data_bytes: int = 4 * 1024  # custom JSON of a message, a room or a user, as compact JSON
    max_client_id_chars: int = 64
    max_fragments: int = 64  # WebSocket fragments of one message
    handshake_timeout_s: float = 10.0
    send_window: int = 32  # sends of one socket in flight; what is beyond is read when one is answered
    max_followed_rooms: int = 1_000  # by one socket
    max_sockets: int = 100  # of one user, in each process
    history_page_max: int = 100  # messages
    actions_per_s: float = 20.0  # of one user, in the long run (token bucket)
    actions_burst: int = 40
    flood_refusals: int = 200  # `rate_limited` in a row, after which the socket is closed
    # What the process holds and how long it waits.
    replay_page_entries: int = 200
    pages_max_bytes: int = 32 * 1024 * 1024  # of pages read for those who are behind, kept for a moment
    ring_max_frames: int = 64  # newest frames of one room, kept encoded
    ring_max_bytes: int = 64 * 1024
    parked_max_bytes: int = 512 * 1024  # entries of one room that arrived ahead of those they follow
    rings_max_bytes: int = 64 * 1024 * 1024  # both, of all rooms together; the least recently active drop theirs
    send_buffer_bytes: int = 64 * 1024  # unsent bytes of one socket, beyond which it falls behind
    stalled_writer_s: float = 10.0  # without progress, after which a slow reader is cut
    writer_backlog: int = 10_000  # sends waiting for the database
    writer_batch: int = 500  # sends in one transaction
    writer_patience_s: float = 10.0  # a send older than this that could not be tried is answered `overloaded`
    park_s: float = 0.010  # how long a hole may heal by itself before the database is asked
    sweep_interval_s: float = 1.0
    reconnect_spread_s: float = 1.0  # over which clients are advised to come back when a process drains
    relay_max_bytes: int = 16 * 1024 * 1024  # waiting for the channel layer; beyond it only hints wait
    relay_pause_s: float = 0.005  # between two rounds of publishing: what is committed meanwhile goes together
    relay_timeout_s: float = 2.0  # for one call of the channel layer
    relay_break_s: float = 2.0  # for which a layer that failed is left alone
    heartbeat_s: float = 25.0  # silence after which a client should ping


# What `hello` announces: the bounds that a client can meet.
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
    "actions_per_s",
    "actions_burst",
    "handshake_timeout_s",
    "stalled_writer_s",
)
