"""The connection under the socket: handshake, frames to typed actions, replies. Holds no rules, knows no action."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from channels.exceptions import StopConsumer
from django.conf import settings
from djangochannelsrestframework.consumers import AsyncAPIConsumer
from djangochannelsrestframework.permissions import BasePermission
from rest_framework.exceptions import PermissionDenied

from accounts.schema import Principal
from foundation.errors import DomainError, Forbidden, Internal, Overloaded, RateLimited, Unauthenticated, Unavailable
from foundation.schema import timestamp
from messaging.consumers.handshake import admit, chosen_subprotocol, is_allowed_origin, token_of
from messaging.engine import Engine
from messaging.throttling import throttle
from messaging.transport.direct import EXTENSION, DirectSocket
from messaging.transport.frame_queue import Data, run_now
from messaging.transport.plain_asgi import AsgiSocket
from messaging.transport.socket import Socket
from messaging.wire import closes, frames
from messaging.wire.actions import AnyAction, Ping, RequestId, Send
from messaging.wire.closes import Close
from messaging.wire.frames import Rejected
from messaging.wire.framing import Frames

log = structlog.get_logger(__name__)


class Admitted(BasePermission):  # type: ignore[misc]
    """Nobody acts who has not been admitted at the handshake."""

    async def has_permission(self, scope: Any, consumer: "Connection", action: str, **kwargs: Any) -> bool:
        return consumer.principal is not None


class Connection(AsyncAPIConsumer):  # type: ignore[misc]
    """One connection of one user. Subclasses bring the actions."""

    permissions = (Admitted(),)
    principal: Principal | None = None
    socket: Socket

    def __init__(self) -> None:
        """Without what the base classes keep for groups and detached tasks, which this one has none of."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Without Channels' own loop: it makes a task for each message, and hops through a thread for each."""
        self.scope, self.base_send = scope, send
        self.engine: Engine = scope["state"]["engine"]
        self.refusals = 0
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            # Here, not in `disconnect`: Channels skips that one after an exception.
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
        """The same ones for each action: those of the base class are made anew, and cost more than the action."""
        return self.permissions

    # -- coming in --------------------------------------------------------------------------------------------------

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept, then greet or say why not: a browser sees nothing of a refused handshake."""
        await self.accept(subprotocol=chosen_subprotocol(self.scope))
        try:
            async with asyncio.timeout(self.engine.limits.handshake_timeout_s):
                principal, epoch = await self.admit()
        except Unauthenticated as error:
            await self.close_with(closes.TOKEN_EXPIRED if error.expired else closes.UNAUTHENTICATED)
        except (TimeoutError, Overloaded, Unavailable):
            await self.close_with(closes.OVERLOADED)
        except Exception:
            log.exception("handshake failed")
            await self.close_with(closes.OVERLOADED)
        else:
            if self.engine.is_draining:
                await self.close_with(closes.DRAINING)
            elif len(self.engine.hub.sinks_of(principal.user.id)) >= self.engine.limits.max_sockets:
                await self.close_with(closes.TOO_MANY_CONNECTIONS)
            else:
                self.begin(principal, epoch)

    async def admit(self) -> tuple[Principal, UUID]:
        """Who this is, and the epoch. Raises `Unauthenticated`."""
        if not is_allowed_origin(self.scope, allowed=settings.ROOMLOG_ALLOWED_ORIGINS):
            raise Unauthenticated("This origin is not allowed.")
        token = token_of(self.scope)
        return await self.engine.readers.run(admit, token=token)

    def begin(self, principal: Principal, epoch: UUID) -> None:
        """Register with the hub and say hello."""
        self.principal = principal
        self.socket = self.open_socket(principal)
        self.scope["headers"] = self.scope["subprotocols"] = ()  # a token is long, and sockets are many
        self.engine.hub.register(self.socket)
        hello = frames.encode_hello(
            epoch=epoch,
            user=principal.user,
            session=principal.session_id,
            expires_at=timestamp(principal.expires_at),
            limits=self.engine.limits,
        )
        self.socket.write(Frames((hello,)))
        self.socket.listen(self)

    def open_socket(self, principal: Principal) -> Socket:
        """A direct one where the server is ours, else one over ASGI."""
        limits, hub = self.engine.limits, self.engine.hub
        wire = self.scope.get("extensions", {}).get(EXTENSION)
        if wire is not None:
            return DirectSocket(
                wire,
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
        """A frame that came by way of ASGI."""
        if self.principal is not None:
            await self.socket.receive(bytes_data or b"" if text_data is None else text_data)

    def read(self, data: Data) -> AnyAction | None:
        """Decode one frame. Whatever it holds, there is an answer and the socket goes on."""
        assert self.principal is not None  # noqa: S101 - it was admitted before it listened
        if self.socket.is_leaving:
            return None
        try:
            throttle(self.principal.user.id)
            frame = frames.decode(data, self.engine.limits)
        except RateLimited as error:
            self.refuse(*frames.peek(data), error)
            self.count_refusal()
        except Rejected as rejected:
            self.refuse(rejected.action, rejected.request_id, rejected.error)
        else:
            self.refusals = 0
            return frame
        return None

    def do_now(self, frame: AnyAction) -> bool:
        is_quick = isinstance(frame, Ping) or (isinstance(frame, Send) and self.socket.window.is_open)
        if is_quick:
            run_now(self.handle_action(frame.name, frame.request_id, frame=frame))
        return is_quick

    async def do(self, frame: AnyAction) -> None:
        if not isinstance(frame, Send | Ping):
            await self.socket.window.settled()  # what was sent before is judged before
        await self.handle_action(frame.name, frame.request_id, frame=frame)

    def count_refusal(self) -> None:
        """Whoever goes on against many refusals in a row is sent away."""
        self.refusals += 1
        if self.refusals >= self.engine.limits.flood_refusals:
            self.socket.close(closes.FLOOD)

    async def handle_exception(self, exc: Exception, action: str | None, request_id: RequestId | None) -> None:
        match exc:
            case DomainError():
                self.refuse(action, request_id, exc)
            case PermissionDenied():
                self.refuse(action, request_id, Forbidden())
            case _:
                log.error("action failed", action=action, exc_info=exc)
                self.refuse(action, request_id, Internal())

    async def reply(
        self,
        action: str | None,
        data: Any = None,
        errors: Any = None,
        status: int = 200,
        request_id: Any = None,
    ) -> None:
        self.answer(action, request_id, status, data)

    def answer(self, action: str | None, request_id: RequestId | None, status: int, data: object) -> None:
        self.socket.write(Frames((frames.encode_reply(action, request_id, status, data, []),)))

    def refuse(self, action: str | None, request_id: RequestId | None, error: DomainError) -> None:
        self.socket.write(Frames((frames.encode_refusal(action, request_id, error),)))

    async def close_with(self, close: Close) -> None:
        await self.close(code=close.code, reason=close.reason)
