"""How channels follow what their customers may see: `channels.base.Subscribe`, over the desk's hub."""

from __future__ import annotations

from guichet.channels.base import Cancel, Follower, Update
from guichet.desk.hub import Hub, Subscription
from guichet.desk.lens import Delta
from guichet.desk.signals import Signal, Signals
from guichet.kit.errors import Refused


class Follow:
    """`channels.base.Subscribe` of one web process."""

    def __init__(self, views: Hub, signals: Signals) -> None:
        self._views = views
        self._signals = signals

    async def __call__(self, view: str, org: str, partition: str, follower: Follower, /) -> Cancel:
        receiver = _Receiver(follower)
        subscription = await self._views.subscribe(view, org, partition, receiver, access=None, name=view)
        deaf = self._signals.listen(org, partition, receiver.signal) if view == "visitor_thread" else None

        def cancel() -> None:
            self._views.unsubscribe(subscription)
            if deaf is not None:
                deaf()

        return cancel


class _Receiver:
    __slots__ = ("_follower",)

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def snapshot(self, subscription: Subscription, whole: Delta) -> None:
        self._follower.update(subscription.name, Update(whole=True, rows=whole.set))

    def delta(self, subscription: Subscription, delta: Delta) -> None:
        self._follower.update(subscription.name, Update(whole=False, rows=delta.set, gone=delta.gone))

    def ended(self, subscription: Subscription, refused: Refused) -> None:
        self._follower.ended(subscription.name, refused)

    def signal(self, signal: Signal) -> None:
        if signal.agent is not None:
            self._follower.writing(signal.agent, signal.until)
