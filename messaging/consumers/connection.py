"""The connection of a socket: handshake, decoding of frames, replies. Holds no rules."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any

import structlog
from channels.exceptions import StopConsumer
from django.conf import settings
from djangochannelsrestframework.consumers import AsyncAPIConsumer
from djangochannelsrestframework.decorators import action
from djangochannelsrestframework.permissions import BasePermission

from accounts.schema import Principal
from foundation.allowance import Allowance
from foundation.errors import DomainError, Internal, Overloaded, RateLimited, Unauthenticated, Unavailable
from foundation.schema import timestamp
from messaging.batching import Gone
from messaging.consumers.handshake import chosen_subprotocol, is_allowed_origin, token_of
from messaging.engine import Engine
from messaging.selectors.handshakes import Admitted
from messaging.throttling import charge_reading, throttle, throttle_reading
from messaging.transport.direct import EXTENSION, DirectConnection, DirectSocket
from messaging.transport.frame_queue import RawFrame, run_now
from messaging.transport.plain_asgi import AsgiSocket
from messaging.transport.socket import Socket
from messaging.wire import closes, frames
from messaging.wire.actions import Action, Ping, RequestId, Send
from messaging.wire.closes import Close
from messaging.wire.frames import Rejected
from messaging.wire.framing import Frames

log = structlog.get_logger(__name__)


Handle = Callable[[Any, Any], Awaitable[None]]


def handles(kind: type[Action]) -> Callable[[Handle], Handle]:
    """Returns a decorator that registers a method `(self, frame)` as the handler of the action `kind`.

    The method answers with `answer`, or raises a `DomainError`.
    """

    def register(method: Handle) -> Handle:
        @wraps(method)
        async def handle(self: "Connection", *, frame: Action, **kwargs: Any) -> None:
            await method(self, frame)

        registered: Handle = action(name=kind.name())(handle)
        return registered

    return register


class Connection(AsyncAPIConsumer):  # type: ignore[misc]
    """A connection of a user. Subclasses add the handlers of actions."""

    principal: Principal | None = None
    socket: Socket

    def __init__(self) -> None:
        """Does not call the base classes, which allocate state for groups and detached tasks. There are none here."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Runs the connection. Replaces Channels' loop, which costs a task and a change of thread for each message."""
        self.scope, self.base_send = scope, send
        self.engine: Engine = scope["state"]["engine"]
        limits = self.engine.limits
        self.refusals = Allowance(
            per_s=limits.flood_refusals_per_s, burst=limits.flood_refusals - 1, now=self.engine.loop.time()
        )
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            # Not in `disconnect`, which Channels skips after an exception.
            if self.principal is not None:
                self.engine.hub.unregister(self.socket)
                self.socket.stop()

    async def dispatch(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "websocket.receive":
                await self.receive(message.get("text"), message.get("bytes"))
            case "websocket.connect":
                await self.websocket_connect(message)
            case "websocket.disconnect":
                raise StopConsumer

    async def get_permissions(self, action: str, **kwargs: Any) -> Sequence[BasePermission]:
        """Returns no permissions: frames are read only after the handshake, and services check authority."""
        return ()

    @property
    def signed_in(self) -> Principal:
        """The user of this socket, which the handshake has set before any frame is read."""
        assert self.principal is not None  # noqa: S101
        return self.principal

    @property
    def wire(self) -> DirectConnection | None:
        """The connection, if the server runs our protocol class."""
        wire: DirectConnection | None = self.scope.get("extensions", {}).get(EXTENSION)
        return wire

    # -- handshake --------------------------------------------------------------------------------------------------

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accepts the socket, then sends `hello` or closes it with the reason.

        A refused handshake is accepted too, because browsers do not report why a handshake failed.
        """
        await self.accept(subprotocol=chosen_subprotocol(self.scope))
        try:
            refusal = await self.shake_hands()
        except Gone:
            return  # `websocket.disconnect` comes next
        except Unauthenticated as error:
            refusal = closes.TOKEN_EXPIRED if error.expired else closes.UNAUTHENTICATED
        except (TimeoutError, Overloaded, Unavailable) as error:
            refusal = self.turn_away(error)
        except Exception as error:
            log.exception("handshake failed")
            refusal = self.turn_away(error)
        if refusal is not None:
            await self.close_with(refusal)

    async def shake_hands(self) -> Close | None:
        """Begins the socket, or returns the close with which it is refused. Raises what `authenticate` raises."""
        if self.engine.is_draining:
            return self.engine.draining_close()
        async with asyncio.timeout(self.engine.limits.handshake_timeout_s):
            admitted = await self.authenticate()
        refusal = self.refusal_of(admitted.principal)
        if refusal is None:
            self.begin(admitted)
        return refusal

    async def authenticate(self) -> Admitted:
        """Returns the user who opens the socket, and what `hello` says besides.

        Raises `Unauthenticated`, `Overloaded` or `Unavailable`, and `Gone` if the client left in the meantime.
        """
        if not is_allowed_origin(self.scope, allowed=settings.ROOMLOG_ALLOWED_ORIGINS):
            raise Unauthenticated("This origin is not allowed.")
        token, wire = token_of(self.scope), self.wire
        if self.engine.admission.is_full:
            raise Overloaded
        return await self.engine.handshakes.run(token, is_gone=lambda: wire is not None and not wire.is_open)

    def turn_away(self, error: Exception) -> Close:
        """Returns the close for a handshake that failed with `error` on our side, with the time to come back."""
        at_least_s = error.retry_after or 0.0 if isinstance(error, DomainError) else 0.0
        return closes.overloaded(self.engine.admission.turn_away(at_least_s=at_least_s))

    def refusal_of(self, principal: Principal) -> Close | None:
        """Returns the close code with which an authenticated user is refused a socket now, or None."""
        if self.engine.is_draining:
            return self.engine.draining_close()
        if len(self.engine.hub.sinks_of(principal.user.id)) >= self.engine.limits.max_sockets:
            return closes.TOO_MANY_CONNECTIONS
        return None

    def begin(self, admitted: Admitted) -> None:
        """Registers the socket with the hub, and sends `hello`."""
        principal = admitted.principal
        socket = self.open_socket(principal)
        self.principal, self.socket = principal, socket  # set together: `__call__` needs both to clean up
        # Both hold the token, which is long, for as long as the socket is open.
        self.scope["headers"] = self.scope["subprotocols"] = ()
        self.engine.hub.register(socket, version=admitted.version)
        hello = frames.encode_hello(
            epoch=admitted.epoch,
            user=principal.user,
            session=principal.session_id,
            expires_at=timestamp(principal.expires_at),
            limits=self.engine.limits,
        )
        socket.write(Frames((hello,)))
        socket.listen(self)

    def open_socket(self, principal: Principal) -> Socket:
        """Returns a direct socket if the server runs our protocol class, otherwise one over plain ASGI."""
        limits, hub = self.engine.limits, self.engine.hub
        if self.wire is not None:
            return DirectSocket(
                self.wire,
                principal=principal,
                send_window=limits.send_window,
                on_drained=hub.drained,
                unready=hub.unready,
            )
        return AsgiSocket(
            self.base_send,
            principal=principal,
            send_window=limits.send_window,
            on_drained=hub.drained,
            max_bytes=limits.send_buffer_bytes,
            stalled_s=limits.stalled_writer_s,
        )

    # -- frames -----------------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Handles a frame that came through ASGI, from a server without our protocol class."""
        if self.principal is not None:
            await self.socket.receive(bytes_data or b"" if text_data is None else text_data)

    def decode(self, data: RawFrame) -> Action | None:
        """Returns the action in a frame; None if the frame was refused and answered, or if the socket is closing."""
        if self.socket.ignores_frames:
            return None
        try:
            throttle(self.signed_in.user.id)
            frame = frames.decode(data, self.engine.limits)
            if frame.contract.reads:
                throttle_reading(self.signed_in.user.id)
        except RateLimited as error:
            self.refuse(*frames.peek(data), error)
            self.count_refusal()
        except Rejected as rejected:
            self.refuse(rejected.action, rejected.request_id, rejected.error)
        else:
            return frame
        return None

    def handle_now(self, frame: Action) -> bool:
        """Handles an action that need not wait for anything. Returns False, and does nothing, for any other."""
        is_quick = isinstance(frame, Ping) or (isinstance(frame, Send) and self.socket.window.is_open)
        if is_quick:
            run_now(self.handle_action(frame.name(), frame.request_id, frame=frame))
        return is_quick

    async def handle(self, frame: Action) -> None:
        """Handles any action. Does nothing if the session of the socket has ended."""
        if not isinstance(frame, Send | Ping):
            await self.socket.window.settled()  # so that it sees the effects of the sends before it
            try:
                await self.engine.sweep.checked(self.signed_in.user.id)  # as an append does for a send
            except DomainError as error:
                self.refuse(frame.name(), frame.request_id, error)
                return
            if self.socket.ignores_frames:
                return
        await self.handle_action(frame.name(), frame.request_id, frame=frame)

    def count_refusal(self) -> None:
        """Closes the socket of a client that goes on against too many refusals, whatever else it sends between them."""
        if self.refusals.spend(1, now=self.engine.loop.time()):
            self.socket.close(closes.FLOOD)

    async def handle_exception(self, exc: Exception, action: str | None, request_id: RequestId | None) -> None:
        match exc:
            case DomainError():
                self.refuse(action, request_id, exc)
            case _:
                log.error("action failed", action=action, exc_info=exc)
                self.refuse(action, request_id, Internal())

    def answer(self, frame: Action, data: object) -> None:
        """Replies to `frame` with `data`, and with the status of its contract."""
        reply = frames.encode_answer(frame, data)
        if frame.contract.reads:
            charge_reading(self.signed_in.user.id, len(reply))
        self.socket.write(Frames((reply,)))

    def refuse(self, action: str | None, request_id: RequestId | None, error: DomainError) -> None:
        self.socket.write(Frames((frames.encode_refusal(action, request_id, error),)))

    async def close_with(self, close: Close) -> None:
        await self.close(code=close.code, reason=close.reason)
