"""Statements as banks write them, and what became of them."""

from billing.models import BankLine, BankStatement, Invoice
from billing.services.payments import matching
from core.access import Actor
from core.models import Organization


def part(text: str = "", name: str = "Anna Driver", amounts: str = "", **more: str) -> str:
    """One transaction of an entry; ``amounts`` is what it says of them, as it stands in the file."""
    refs = f"<Refs><EndToEndId>{more.get('e2e', 'NOTPROVIDED')}</EndToEndId></Refs>"
    back = f"<RtrInf><Rsn><Cd>{more['reason']}</Cd></Rsn></RtrInf>" if "reason" in more else ""
    party = f"<RltdPties><Dbtr><Pty><Nm>{name}</Nm></Pty></Dbtr></RltdPties>"
    return f"<TxDtls>{refs}{amounts}{party}<RmtInf><Ustrd>{text}</Ustrd></RmtInf>{back}</TxDtls>"


def collective(amount: str, *parts: str, sign: str = "CRDT", **more: str) -> str:
    """One entry; of a batch with ``batch``, with another status than booked by ``status``."""
    batch = f"<Btch><PmtInfId>{more['batch']}</PmtInfId></Btch>" if "batch" in more else ""
    reversal = f"<RvslInd>{more['reversal']}</RvslInd>" if "reversal" in more else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{reversal}'
        f"{more.get('status', '<Sts><Cd>BOOK</Cd></Sts>')}"
        f"<BookgDt><Dt>2026-11-20</Dt></BookgDt><AcctSvcrRef>{more.get('ref', '')}</AcctSvcrRef>"
        f"<NtryDtls>{batch}{''.join(parts)}</NtryDtls></Ntry>"
    )


def entry(amount: str, text: str = "", name: str = "Anna Driver", sign: str = "CRDT", **more: str) -> str:
    return collective(amount, part(text, name, **more), sign=sign, **more)


def camt(*entries: str, number: str = "1") -> bytes:
    return statements_of("".join(entries), number=number)


def statements_of(*contents: str, number: str = "1") -> bytes:
    """One file with a statement of each content."""
    told = "".join(f"<Stmt><Id>{number}-{place}</Id>{one}</Stmt>" for place, one in enumerate(contents))
    space = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
    return (
        f'<?xml version="1.0"?><Document xmlns="{space}"><BkToCstmrStmt>{told}</BkToCstmrStmt></Document>'
    ).encode()


def take_in(content: bytes, by: Actor, name: str = "november.xml") -> BankStatement:
    return matching.take_in(Organization.objects.get(pk=by.organization_id), name, content, by=by)


def line_of(statement: BankStatement) -> BankLine:
    return statement.lines.get()


def state_of(invoice: Invoice) -> str:
    return Invoice.objects.get(pk=invoice.pk).state
