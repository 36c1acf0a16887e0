"""An upload whose every name means a file or an address to other readers, and what strace may see of it."""

from __future__ import annotations

from tests.genome.vcfs import vcf

CANARY = "canary7f3a"
NAMES = [
    f"{CANARY}.vcf.gz##idx##http://127.0.0.1:9/{CANARY}.tbi",
    f"http://127.0.0.1:9/{CANARY}",
    f"../../{CANARY}",
    f"/dev/stdin?{CANARY}",
    f"mem:{CANARY}",
    f"file:///{CANARY}",
    f"s3://{CANARY}/x",
    "-",
    CANARY * 100,
]


def upload() -> bytes:
    """A VCF that carries the names wherever text may stand."""
    header = [
        f"##reference={name}\n##contig=<ID=chr1,length=1000,URL={name}>\n##contig=<ID={name}>\n##{name}={name}"
        for name in NAMES
    ]
    calls = " ".join(f"0|1:{name}" for name in NAMES)
    records = [
        record
        for name in NAMES
        for record in (
            f"chr1 5 {name} A C . {name} FILE={name} GT:{name} {calls}",
            f"chr1 5 . A <{name}> . . END=9;{name} GT:{name} {calls}",
            f"{name} 9 {name} A C . {name} {name} GT:{name} {calls}",
        )
    ]
    return vcf(*records, samples=" ".join(NAMES), header="\n".join(header))


def assert_nothing_is_opened(calls: str, *, in_a_child: bool) -> None:
    """Look through a trace of calls that open files or connect to somewhere.

    Args:
        in_a_child: the upload was read in a process of its own, which confines itself first.
    """
    assert CANARY not in calls
    assert not [call for call in calls.splitlines() if "connect(" in call or "/dev/stdin" in call]
    if in_a_child:
        before, confined = calls.split("RLIMIT_NOFILE", 1)
        child = before.rsplit("\n", 1)[1].split()[0]
        assert not [call for call in confined.splitlines() if call.startswith(f"{child} ") and "open" in call]
