# Everything a person types. Stamp files below .venv make a second run instant.
PYTHON ?= python3
JOBS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 1) + 1)))
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --require-hashes
BASE := .venv/.base.stamp
DEV := .venv/.dev.stamp
FRONTEND := .venv/.frontend.stamp
GENERATORS := .venv/.generators.stamp
SPRITE := static/vendor/icons.svg
DRAWN_FROM := $(shell find templates portal -name '*.html' -o -name '*.py' 2>/dev/null)

# `check` needs values, not servers; they are those of no deployment.
DEPLOYED := SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))') \
	DATA_KEYS=check:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= DATABASE_URL=postgres:///chargeyard \
	ALLOWED_HOSTS=portal.example.org PUBLIC_URL=https://portal.example.org

.PHONY: help setup run test check schema schemathesis clients lock bench bench-quick bench-growth price-cases format venv
help:
	@echo "make run [ARGS='--port 9000']   the portal with demo chargers, from nothing"
	@echo "make setup                      install what the portal needs, start nothing"
	@echo "make test [ARGS='-k name']      all tests, a file on each core and one more at a time; JOBS=1 one after the other"
	@echo "make check                      format, lint, types, directions, migrations, deployment settings"
	@echo "make schemathesis [EXAMPLES=200] every operation of the API, by requests made from its schema"
	@echo "make price-cases [CASES=20000]  random tariffs and sessions against a slow second reckoning of their prices"
	@echo "make clients                    Python and TypeScript clients from the schema, tried against a portal"
	@echo "make schema                     record anew, after a migration was added, what they do to an empty database"
	@echo "make lock                       choose exact versions of all packages anew"
	@echo "make bench, make bench-quick    measure"
	@echo "make bench-growth [ARGS='--scale 0.1']   100 million readings, 5 million sessions, or a part of them"

setup: $(BASE) $(SPRITE)

run: $(BASE) $(SPRITE)
	@exec $(PY) manage.py up --demo $(ARGS)

test: $(DEV) $(SPRITE) $(GENERATORS)
	@scripts/browser.sh
	@scripts/pango.sh
	@exec $(PY) -m pytest $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile --no-loadscope-reorder) $(ARGS)

check: $(DEV) $(SPRITE)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	@$(DEPLOYED) $(PY) scripts/with_database.py $(PY) manage.py makemigrations --check --dry-run
	@$(DEPLOYED) $(PY) manage.py check --deploy --fail-level WARNING

schema: $(DEV)
	@$(DEPLOYED) $(PY) scripts/with_database.py $(PY) manage.py migrate --one-by-one --record portal/schema.sql --verbosity 0

schemathesis: $(DEV)
	SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),200) $(PY) -m pytest tests/portal/api/test_schemathesis.py -s $(ARGS)

price-cases: $(DEV)
	PRICED_SESSIONS=$(or $(CASES),20000) $(PY) -m pytest tests/tariffs/test_reference.py $(ARGS)

clients: $(DEV) $(SPRITE) $(GENERATORS)
	$(PY) scripts/clients/run.py

format: $(DEV)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lock: $(DEV)
	cd requirements && for name in base s3 dev frontend; do \
		../.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --no-header $(LOCK_ARGS) -o $$name.txt $$name.in || exit 1; \
	done
	npm install --package-lock-only --ignore-scripts --no-audit --no-fund
	cd scripts/clients && npm install --package-lock-only --ignore-scripts --no-audit --no-fund

bench: $(DEV)
	$(PY) -m benchmarks $(ARGS)

bench-quick: $(DEV)
	$(PY) -m benchmarks --quick $(ARGS)

bench-growth: $(DEV)
	$(PY) -m benchmarks.growth $(ARGS)

# A virtual environment that stopped working (Python upgraded, directory moved) is made anew.
venv:
	@PYTHON="$(PYTHON)" scripts/venv.sh

$(BASE): requirements/base.txt | venv
	@test -e $(DEV) -a $(DEV) -nt requirements/base.txt || { echo "Installing Python packages (about a minute)" && $(PIP) -r requirements/base.txt; }
	@touch $@

$(DEV): requirements/dev.txt | venv
	@echo "Installing Python packages for tests and checks (a minute or two)"
	@$(PIP) -r requirements/dev.txt
	@touch $@

$(FRONTEND): package.json package-lock.json scripts/frontend.sh | $(BASE)
	@echo "Installing front-end packages"
	@scripts/frontend.sh
	@touch $@

$(GENERATORS): scripts/clients/package.json scripts/clients/package-lock.json | $(FRONTEND)
	@scripts/frontend.sh scripts/clients
	@touch $@

$(SPRITE): $(FRONTEND) scripts/build_static.py $(DRAWN_FROM)
	@$(PY) scripts/build_static.py
	@touch $@
