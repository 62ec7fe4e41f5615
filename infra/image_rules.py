"""What speaks against the images of a stack before it costs anything. The module is pure and asks no registry.

An image of this project that nobody published is refused wherever pods are made of it: no registry has its name, so
machines would be paid for and their pods never start. So is a gateway that its tag tells to be older than its chart:
it ends at an argument that it does not know, which a deployment sees after ten minutes only. An image without a digest
is whatever its tag names on the day on which a node starts. A protected stack refuses that; others are warned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from infra.identities import partition
from infra.images import Image
from infra.registries import AMAZON, Mirror, published
from infra.settings import StackSettings
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Severity

OWN_GATEWAY = "spillway-gateway"
"""Last part of the repository in which a tag is a version of this project, as `gateway/Dockerfile` says. Other tags are
their owner's: they tell no version."""
PUBLISH = "publish {name}/Dockerfile (docs/deploy-options.md, `Images`; examples/workflows/images.yml does it), then"
FIND = "find it with `crane digest {image}` or `docker buildx imagetools inspect {image}`, then"


@dataclass(frozen=True)
class RunningImages:
    """The running images are what nodes are asked to pull.

    engine: that of the lock, else of the stack's settings, else the chart's.
    canary: the engine that some replicas of pools run; None where no image is tried.
    gateway, weights: those of the stack's settings; None while nobody has published one.
    """

    engine: Image
    gateway: Image | None
    device_plugin: Image
    weights: Image | None
    canary: Image | None = None

    def all(self) -> tuple[Image, ...]:
        """Return all that are published somewhere."""
        listed = (self.engine, self.canary, self.gateway, self.device_plugin, self.weights)
        return tuple(image for image in listed if image is not None)


def problems(plan: Plan, settings: StackSettings, images: RunningImages, gateway_chart: str) -> tuple[Problem, ...]:
    """List what speaks against the images of a plan, and what is doubtful about them.

    gateway_chart: version of the gateway whose arguments the chart states.
    """
    if not plan.pools:
        return ()
    severity: Severity = "error" if settings.protected else "warning"
    missing: Severity = "error" if settings.protected or settings.stage == "all" else "warning"
    return (
        *_own(images.gateway, "gateway", missing, severity),
        *_older(images.gateway, gateway_chart, missing),
        *(_own(images.weights, "weights", missing, severity) if copies_weights(plan, settings) else ()),
        *_engines(plan, settings, images, severity),
        *_mirror(plan),
        *_anonymous(plan, settings, images),
    )


def copies_weights(plan: Plan, settings: StackSettings) -> bool:
    """Say whether Jobs copy weights into the model bucket. On a cluster that is there already, the team has them."""
    here = plan.platform.existing is None
    return here and settings.weights == "synced" and any(pool.weights is None for pool in plan.pools)


def _own(image: Image | None, name: str, missing: Severity, severity: Severity) -> Iterator[Problem]:
    """Require an image of this project by the digest under which it was published.

    missing: how bad it is that there is none; `severity`, that it has no digest.
    """
    setting = f"`pulumi config set spillway:{name}Image REPOSITORY:TAG@sha256:…`"
    if image is None:
        message = f"spillway:{name}Image is not set, and no registry has its own name: its pods could not start"
        yield Problem("DEP051", message, hint=f"{PUBLISH.format(name=name)} {setting}", severity=missing)
    elif image.digest is None:
        message = f"spillway:{name}Image {image.reference} has no digest, so nobody knows what will run"
        yield Problem("DEP051", message, hint=f"{FIND.format(image=image.reference)} {setting}", severity=severity)


def _older(gateway: Image | None, chart: str, severity: Severity) -> Iterator[Problem]:
    """Refuse a gateway whose tag tells a version below that of the chart, which states the pods' arguments."""
    if gateway is None or gateway.repository.rpartition("/")[2] != OWN_GATEWAY:
        return
    own, needed = _version(gateway.tag or ""), _version(chart)
    if own is not None and needed is not None and own < needed:
        message = (
            f"spillway:gatewayImage {gateway.reference} is older than its chart ({chart}): its pods would not start"
        )
        hint = f"{PUBLISH.format(name='gateway')} `pulumi config set spillway:gatewayImage REPOSITORY:TAG@sha256:…`"
        yield Problem("DEP051", message, hint=hint, severity=severity)


def _version(tag: str) -> tuple[int, int, int] | None:
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", tag)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def _engines(plan: Plan, settings: StackSettings, images: RunningImages, severity: Severity) -> Iterator[Problem]:
    """Require digests of the engine's images, one word on which of them runs, and a canary that is another."""
    stated = plan.platform.engine
    in_lock = stated is not None and stated.image is not None
    where = {"engine": "platform.engine.image", "canary": "platform.engine.canary.image"}
    for name, image in (("engine", images.engine), ("canary", images.canary)):
        if image is not None and image.digest is None:
            message = f"the {name}'s image {image.reference} has no digest, so nobody knows what will run"
            setting = f"`pulumi config set spillway:engineImage {image.reference}@sha256:…`"
            if name == "canary" or in_lock:
                setting = f"write `{image.reference}@sha256:…` as `{where[name]}`, and plan again"
            yield Problem("DEP051", message, hint=f"{FIND.format(image=image.reference)} {setting}", severity=severity)
    own = settings.engine_image
    if in_lock and own is not None and own.reference != images.engine.reference:
        message = f"the lock's engine is {images.engine.reference}, and spillway:engineImage is {own.reference}"
        hint = "`pulumi config rm spillway:engineImage`; the lock, which is reviewed, says what runs"
        yield Problem("DEP064", message, hint=hint)
    if images.canary is not None and images.canary.reference == images.engine.reference:
        message = f"the canary is the image that all pools run already, {images.engine.reference}"
        yield Problem("DEP064", message, hint="name another in `platform.engine.canary`, or leave it out")


def _mirror(plan: Plan) -> Iterator[Problem]:
    """Refuse a mirror that Amazon does not offer where the plan runs."""
    if plan.platform.image_mirror == AMAZON and partition(plan.platform.region) != "aws":
        message = f"Amazon's registry fetches no published images in {plan.platform.region}"
        hint = "name a registry that holds copies in `platform.images.mirror`, or leave it out"
        yield Problem("DEP052", message, hint=hint)


def _anonymous(plan: Plan, settings: StackSettings, images: RunningImages) -> Iterator[Problem]:
    """Warn of a protected stack whose new nodes depend on a registry that limits pulls without an account."""
    if not settings.protected or plan.platform.image_mirror is not None or settings.pull_secrets:
        return
    for image in images.all():
        registry, _ = published(image)
        if registry is not None and registry.counts_pulls:
            message = f"nodes pull {image.reference} from {registry.host} without an account, which limits such pulls"
            hint = "set `platform.images.mirror: ecr`, so that a node that joins at night needs no foreign registry"
            yield Problem("DEP053", message, hint=hint, severity="warning")


def placed(images: RunningImages, mirror: Mirror | None, pull_secrets: tuple[str, ...]) -> RunningImages:
    """Return the images as nodes ask for them, with the Secrets that they show to registries."""

    def place(image: Image) -> Image:
        return replace(mirror.place(image) if mirror is not None else image, pull_secrets=pull_secrets)

    others = (images.gateway, images.weights, images.canary)
    gateway, weights, canary = (None if image is None else place(image) for image in others)
    return RunningImages(place(images.engine), gateway, place(images.device_plugin), weights, canary)
