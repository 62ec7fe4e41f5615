"""Which GPUs the shipped catalog holds, what they are called, and what the raw table does not say of them.

Cards that AWS does not rent are there because publications measure them. Where the raw table lacks one, its nearest
sibling gives what `differs` does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DATA_SHEET = "NVIDIA data sheet of the card"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One GPU of the raw table.

    raw: its name there. rented: its name in the table of instance types; empty where AWS does not rent it. link: class
    of `planner.domain.offerings.Link`. measured_gib: memory as torch reports it, where somebody has measured it.
    reported_mib: memory as the driver reports it, where the raw table has the data sheet's size alone.
    """

    key: str
    raw: str
    rented: str
    link: str
    spellings: tuple[str, ...]
    runtime_names: tuple[str, ...]
    assumed_for: tuple[str, ...] = ()
    note: str = ""
    measured_gib: float | None = None
    reported_mib: int | None = None
    block_fp8: bool = False


@dataclass(frozen=True, kw_only=True)
class Sibling:
    """A GPU that the raw table lacks. like: key of its sibling. differs: columns that are its own."""

    key: str
    like: str
    spellings: tuple[str, ...]
    runtime_names: tuple[str, ...]
    note: str
    differs: dict[str, Any] = field(default_factory=dict)


CARDS = (
    Card(
        key="T4",
        raw="T4",
        rented="T4",
        link="pcie3",
        spellings=("T4",),
        runtime_names=("Tesla T4",),
        note="no bfloat16: models published in bf16 run in fp16; memory as torch reports it: 14.56 GiB of the driver's "
        "15360 MiB (github.com/Zheng-Chong/CatVTON/issues/133), since error correction takes a sixteenth",
        measured_gib=14.56,
        reported_mib=15360,
    ),
    Card(
        key="A10G",
        raw="A10G",
        rented="A10G",
        link="pcie4",
        spellings=("A10G",),
        runtime_names=("NVIDIA A10G",),
        note="half the fp16 rate of an A10",
    ),
    Card(key="L4", raw="L4", rented="L4", link="pcie4", spellings=("L4",), runtime_names=("NVIDIA L4",)),
    Card(
        key="L40S",
        raw="L40S",
        rented="L40S",
        link="pcie4",
        spellings=("L40S",),
        runtime_names=("NVIDIA L40S",),
        note="no fp8 with 128 x 128 block scales on some stacks",
    ),
    Card(
        key="A100-40GB",
        raw="A100-40GB",
        rented="A100-40GB",
        link="nvlink-ampere",
        spellings=("A100 40GB", "A100 40"),
        runtime_names=("NVIDIA A100-SXM4-40GB",),
        note="mxfp4 through Marlin is not verified",
    ),
    Card(
        key="A100-80GB",
        raw="A100-80GB",
        rented="A100-80GB",
        link="nvlink-ampere",
        spellings=("A100 80GB", "A100 80"),
        runtime_names=("NVIDIA A100-SXM4-80GB",),
        assumed_for=("A100",),
        note="mxfp4 through Marlin is not verified",
    ),
    Card(
        key="H100",
        raw="H100-80GB SXM",
        rented="H100-80GB",
        link="nvlink-hopper",
        spellings=("H100",),
        runtime_names=("NVIDIA H100 80GB HBM3",),
        note="memory measured with torch: 79.18 GiB",
        measured_gib=79.18,
        block_fp8=True,
    ),
    Card(
        key="H200",
        raw="H200-141GB SXM",
        rented="H200-141GB",
        link="nvlink-hopper",
        spellings=("H200",),
        runtime_names=("NVIDIA H200",),
        block_fp8=True,
    ),
    Card(
        key="B200",
        raw="B200 SXM",
        rented="B200",
        link="nvlink-blackwell",
        spellings=("B200",),
        runtime_names=("NVIDIA B200",),
        block_fp8=True,
    ),
    Card(
        key="B300",
        raw="B300 SXM",
        rented="B300",
        link="nvlink-blackwell",
        spellings=("B300",),
        runtime_names=("NVIDIA B300 SXM6 AC",),
        block_fp8=True,
    ),
    Card(
        key="RTX-PRO-6000",
        raw="RTX PRO 6000 Blackwell Server",
        rented="RTX PRO 6000 Blackwell Server",
        link="pcie5-p2p",
        spellings=("RTX PRO 6000", "RTXPRO 6000", "RTX PRO6000", "RTXPRO6000"),
        runtime_names=("NVIDIA RTX PRO 6000 Blackwell Server Edition",),
        note="no fp8 with 128 x 128 block scales in vLLM 0.24; bandwidth is the Server Edition's, remembered",
    ),
)

FRACTIONS = {"0.125": "L4-eighth", "0.25": "L4-quarter", "0.5": "L4-half"}
"""The GPU of an instance type that has a part of a card, by that part as the raw table writes it."""


def _part_of_l4(word: str, parts: int, profile: str, reported_mib: int) -> Sibling:
    """A part of an L4 that one machine gets. profile: what the driver calls it. reported_mib: its memory."""
    speeds = {"bf16": 121.0, "fp16": 121.0, "fp8": 242.0, "int8": 242.0}
    return Sibling(
        key=f"L4-{word}",
        like="L4",
        spellings=(f"L4 {word}", f"L4 {profile}"),
        runtime_names=(f"NVIDIA L4-{profile}",),
        note="a part of a card that others share; machines with it need the GRID driver, which EKS images have since "
        "2025-06-10",
        differs={
            "name": f"NVIDIA L4 {word}",
            "memory_gb": round(24 / parts),
            "memory_reported_mib": reported_mib,
            "memory_bytes": reported_mib * 2**20 * 993 // 1000,
            "bandwidth_gb_per_s": 300 // parts,
            "tflops": {dtype: speed / parts for dtype, speed in speeds.items()},
            "pcie_gb_per_s": 32 // parts,
            "tdp_watt": 72 // parts,
            "source": f"memory: EC2 DescribeInstanceTypes by moto 5.2.5; {profile} as the driver's profile: "
            "github.com/awslabs/amazon-eks-ami issue 2443; the rest as L4",
            "assumed": f"nobody states the speed of this part of a card: arithmetic, memory bandwidth and PCIe are "
            f"taken to be 1/{parts} of an L4's; others on the card may make it slower or leave it more: measure one "
            "replica before you rely on it",
        },
    )


SIBLINGS = (
    _part_of_l4("eighth", 8, "3Q", 2861),
    _part_of_l4("quarter", 4, "6Q", 5722),
    _part_of_l4("half", 2, "12Q", 11444),
    Sibling(
        key="RTX-4090",
        like="L40S",
        spellings=("RTX 4090", "RTX4090"),
        runtime_names=("NVIDIA GeForce RTX 4090",),
        note="not rented by AWS; rates with 32-bit sums; its licence of drivers is not for data centres",
        differs={
            "memory_gb": 24,
            "memory_reported_mib": 24564,
            "memory_bytes": 24564 * 2**20 * 993 // 1000,
            "bandwidth_gb_per_s": 1008,
            "tflops": {"bf16": 165.2, "fp16": 165.2, "fp8": 330.3, "int8": 660.6},
            "tdp_watt": 450,
            "source": "hmc-tech.com/gpus/nvidia-geforce-rtx-4090-vs-nvidia-rtx-pro-4500-blackwell (rates, bandwidth, "
            "450 W); memory as the driver reports it: 24564 MiB (remembered); formats as L40S",
        },
    ),
    Sibling(
        key="RTX-5090",
        like="RTX-PRO-6000",
        spellings=("RTX 5090", "RTX5090"),
        runtime_names=("NVIDIA GeForce RTX 5090",),
        note="not rented by AWS; rates with 32-bit sums are half of those with 16-bit sums; its licence of drivers is "
        "not for data centres",
        differs={
            "memory_gb": 32,
            "memory_reported_mib": 32607,
            "memory_bytes": 32607 * 2**20 * 993 // 1000,
            "bandwidth_gb_per_s": 1792,
            "tflops": {"bf16": 209.6, "fp16": 209.6, "fp8": 419.2, "int8": 838.4, "fp4": 1676.0},
            "tdp_watt": 575,
            "source": "spheron.network/blog/nvidia-rtx-5090-specs 2026-05-20 (1792 GB/s, 575 W; 838.4 sparse fp16 and "
            "3352 sparse fp4, of which a quarter and a half are dense with 32-bit sums); memory: 32607 MiB, "
            "github.com/noonghunna/club-3090/issues/1322; formats as RTX-PRO-6000",
        },
    ),
    Sibling(
        key="RTX-PRO-6000-Workstation",
        like="RTX-PRO-6000",
        spellings=("RTX PRO 6000 WORKSTATION",),
        runtime_names=("NVIDIA RTX PRO 6000 Blackwell Workstation Edition",),
        note="not rented by AWS; rates as the Server Edition's, which are a little lower",
        differs={
            "bandwidth_gb_per_s": 1792,
            "source": "aiconfigurator-core 0.12.0 systems/rtx_pro_6000_server.yaml (1792 GB/s is the Workstation "
            "Edition's); the rest as RTX-PRO-6000",
        },
    ),
    Sibling(
        key="A10",
        like="A10G",
        spellings=("A10",),
        runtime_names=("NVIDIA A10",),
        note="not rented by AWS; memory as that of an A10G",
        differs={"tflops": {"bf16": 125.0, "fp16": 125.0, "int8": 250.0}, "tdp_watt": 150},
    ),
    Sibling(
        key="L40",
        like="L40S",
        spellings=("L40",),
        runtime_names=("NVIDIA L40",),
        note="not rented by AWS; memory as that of an L40S",
        differs={"tflops": {"bf16": 181.0, "fp16": 181.0, "fp8": 362.0, "int8": 362.0}, "tdp_watt": 300},
    ),
    Sibling(
        key="A100-40GB-PCIe",
        like="A100-40GB",
        spellings=("A100 PCIE 40GB", "A100 PCIE 40"),
        runtime_names=("NVIDIA A100-PCIE-40GB",),
        note="not rented by AWS",
        differs={"link": "pcie4", "link_gb_per_s": 0, "tdp_watt": 250},
    ),
    Sibling(
        key="A100-80GB-PCIe",
        like="A100-80GB",
        spellings=("A100 PCIE 80GB", "A100 PCIE 80", "A100 PCIE"),
        runtime_names=("NVIDIA A100 80GB PCIe",),
        note="not rented by AWS",
        differs={"bandwidth_gb_per_s": 1935, "link": "pcie4", "link_gb_per_s": 0, "tdp_watt": 300},
    ),
    Sibling(
        key="H100-PCIe",
        like="H100",
        spellings=("H100 PCIE",),
        runtime_names=("NVIDIA H100 PCIe",),
        note="not rented by AWS; memory as measured on the SXM board",
        differs={
            "memory_provenance": "analytic",
            "bandwidth_gb_per_s": 2039,
            "tflops": {"bf16": 756.0, "fp16": 756.0, "fp8": 1512.0, "int8": 1512.0},
            "link": "pcie5-p2p",
            "link_gb_per_s": 0,
            "tdp_watt": 350,
        },
    ),
    Sibling(
        key="H100-NVL",
        like="H100",
        spellings=("H100 NVL",),
        runtime_names=("NVIDIA H100 NVL",),
        note="not rented by AWS; its bridge joins pairs, so that its link is optimistic beyond two GPUs",
        differs={
            "memory_gb": 94,
            "memory_reported_mib": 95830,
            "memory_bytes": 95830 * 2**20 * 993 // 1000,
            "memory_provenance": "analytic",
            "bandwidth_gb_per_s": 3938,
            "tflops": {"bf16": 835.0, "fp16": 835.0, "fp8": 1670.0, "int8": 1670.0},
            "link_gb_per_s": 600,
            "tdp_watt": 400,
        },
    ),
)
