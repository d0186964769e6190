"""What runs regularly: names of tasks and seconds between two runs."""

from typing import Any

PROMPT = frozenset(
    {
        "portal.tasks.send_webhooks",
        "stations.tasks.advance_rollouts",
        "stations.tasks.follow_sessions",
        "stations.tasks.run_scheduled",
        "stations.tasks.sweep",
        "stations.tasks.tell_costs",
    }
)
"""Tasks that have to be on time. The others may be lengthy and leave one process of each worker to these."""

TIMETABLE: dict[str, dict[str, Any]] = {
    "repair what was lost": {"task": "stations.tasks.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "issue planned commands": {
        "task": "stations.tasks.run_scheduled",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "follow the sessions": {
        "task": "stations.tasks.follow_sessions",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "tell what sessions cost": {
        "task": "stations.tasks.tell_costs",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "advance the rollouts": {
        "task": "stations.tasks.advance_rollouts",
        "schedule": 2.0,
        "options": {"expires": 2},
    },
    "fetch firmware": {
        "task": "stations.tasks.fetch_firmware",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "keep the default prices": {
        "task": "stations.tasks.keep_default_prices",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "condense the readings": {
        "task": "stations.tasks.condense_readings",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "erase in the logs": {
        "task": "stations.tasks.erase_in_logs",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "tidy the stations' tables": {
        "task": "stations.tasks.tidy",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "link the audit": {"task": "portal.tasks.seal_audit", "schedule": 30.0, "options": {"expires": 30}},
    "check the audit": {"task": "portal.tasks.check_audit", "schedule": 300.0, "options": {"expires": 300}},
    "forget old answers": {"task": "portal.tasks.forget", "schedule": 3600.0, "options": {"expires": 3600}},
    "send webhooks": {"task": "portal.tasks.send_webhooks", "schedule": 2.0, "options": {"expires": 2}},
    "send mails": {"task": "portal.tasks.send_mails", "schedule": 5.0, "options": {"expires": 5}},
    "forget old events": {
        "task": "portal.tasks.forget_events",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "seal ended sessions": {"task": "billing.tasks.settle", "schedule": 30.0, "options": {"expires": 30}},
    "find sessions not sealed": {
        "task": "billing.tasks.find_forgotten",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "serve month-end runs": {
        "task": "billing.tasks.run_month_end",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "make documents": {"task": "billing.tasks.make_documents", "schedule": 10.0, "options": {"expires": 10}},
    "find documents not made": {
        "task": "billing.tasks.find_documents",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "ask for what is overdue": {"task": "billing.tasks.dun", "schedule": 300.0, "options": {"expires": 300}},
    "ask payment providers": {
        "task": "billing.tasks.ask_providers",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "follow payments": {"task": "billing.tasks.watch_payments", "schedule": 10.0, "options": {"expires": 10}},
    "read quiet payments": {
        "task": "billing.tasks.read_quiet_payments",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "reconcile sessions and invoices": {
        "task": "billing.tasks.reconcile",
        "schedule": 86_400.0,
        "options": {"expires": 3600},
    },
    "let terms expire": {
        "task": "billing.tasks.let_terms_expire",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "compare with providers": {
        "task": "billing.tasks.compare_with_providers",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "prove wallets": {
        "task": "billing.tasks.prove_wallets",
        "schedule": 86_400.0,
        "options": {"expires": 3600},
    },
}
