"""IAM policies of the modules, read by parliament: real actions, on what they fit."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from oddspipe.core.infra.linters import Excuses, Result, missing, program, said

_STAND_INS: Final = (
    (r"data\.aws_partition\.\w+\.partition", "aws"),
    (r"data\.aws_region\.\w+\.region", "us-east-1"),
    (r"data\.aws_caller_identity\.\w+\.account_id", "123456789012"),
    (r"local\.resource\.(\w+)", r"arn:aws:kafka:us-east-1:123456789012:\1/odds/uuid"),
    (r"aws_msk_cluster\.\w+\.arn", "arn:aws:kafka:us-east-1:123456789012:cluster/odds/uuid"),
    (r"aws_s3_bucket\.\w+(\[[^]]*\])?\.arn", "arn:aws:s3:::odds"),
    (r"var\.\w*key_arn", "arn:aws:kms:us-east-1:123456789012:key/1234abcd"),
    (r"[\w.]+(\[[^]]*\])?", "odds"),
)  # fmt: skip
"""What an expression of a policy comes to, as far as its form goes; the first that fits."""


def stands_for(expression: str) -> str:
    """Return a text with stand-ins for the expressions in it.

    >>> stands_for("${var.key_arn}")
    'arn:aws:kms:us-east-1:123456789012:key/1234abcd'
    >>> stands_for('${[for t in x : "${local.resource.topic}/${t}"]}')
    'arn:aws:kafka:us-east-1:123456789012:topic/odds/uuid/odds'
    """
    looped = re.search(r'\[for .* : "(.*)"\]', expression)
    text = looped[1] if looped else expression

    def one(found: re.Match[str]) -> str:
        inner = found[1].strip()
        fits = ((p, to) for p, to in _STAND_INS if re.fullmatch(p, inner))
        return next((re.sub(p, to, inner) for p, to in fits), "odds")

    return re.sub(r"\$\{([^{}]*)\}", one, text)


def iam_policies(folder: Path, module: Any) -> Iterator[Result]:  # noqa: ANN401 - a library
    """Yield what parliament says of each IAM policy of the modules; `module` is `hcl2`."""
    excuses = Excuses("parliament")
    for file in sorted(folder.glob("terraform/modules/*/main.tf")):
        for name, document in _documents(module.loads(file.read_text(encoding="utf-8"))):
            place = f"{file.parent.name}/{name}"
            if program("parliament") is None:
                yield Result(f"parliament {place}", skipped=missing("parliament"))
                continue
            faults = tuple(
                f"{check} {what}"
                for check, what in _findings(document)
                if not excuses.cover(check, what, place)
            )
            yield Result(f"parliament {place}", faults)
    if (folder / "terraform").is_dir() and program("parliament") is not None:
        yield Result("parliament excuses", excuses.idle())


def _findings(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what parliament finds and on which action, one action each."""
    code, out, errors = said(
        "parliament", ["--json", "--minimum_severity", "LOW"], json.dumps(document)
    )
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if bool(code) != bool(lines):
        yield "UNREADABLE", (out + errors).strip()
    for one in lines:
        detail = one["detail"]
        actions = (
            [part.get("action", part) for part in detail if isinstance(part, dict)]
            if isinstance(detail, list)
            else [detail]
        )
        for action in actions:
            yield str(one["issue"]), str(action)


def _documents(parsed: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the policies that say on what they are: all but those that say who takes a role."""
    for one in parsed.get("data", []):
        for name, body in one.get('"aws_iam_policy_document"', {}).items():
            found = [*body.get("statement", [])]
            for dynamic in body.get("dynamic", []):
                found += [part for block in dynamic.values() for part in _list(block["content"])]
            made = [_statement(part) for part in found if "resources" in part]
            if made:
                yield name.strip('"'), {"Version": "2012-10-17", "Statement": made}


def _statement(part: Mapping[str, Any]) -> dict[str, Any]:
    effect = str(part.get("effect", "Allow")).strip('"')
    return {
        "Effect": effect,
        "Action": [_plain(one) for one in _list(part["actions"])],
        "Resource": [stands_for(_plain(one)) for one in _list(part["resources"])],
    }


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - as parsed
    return value if isinstance(value, list) else [value]


def _plain(value: Any) -> str:  # noqa: ANN401 - as parsed
    return str(value).strip('"')
