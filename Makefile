# Every target is a line of a script in ci/ or of cargo; `make help` lists them.

PYRO = target/release/pyro
LAB = cargo run --quiet --locked --package pyro-lab --
SOAK_ROUNDS ?= 100
SOAK_CASES ?= 20000
SOAK_KILLS ?= 210
FUZZ_SECONDS ?= 60

.PHONY: help quickstart test check hosts bench bench-kernels doctor demo lab lab-test lab-shell lab-bench clean soak fuzz release
.PHONY: smoke-use-cases smoke-cold-start-validation smoke-repro-fix-loop smoke-parallel-workspaces
.PHONY: smoke-untrusted-inspection smoke-review-eval smoke-daily-loop

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 30

quickstart: ## Prepare a bare Debian 12 and run `git --version` in a guest
	@ci/quickstart

test: ## Run every suite; prints seconds per suite and the count
	@ci/install-packages
	@ci/install-tools
	@ci/test

check: ## Format, lints, licences, spelling, unit and contract tests: no guest
	@ci/install-tools
	@ci/test check

hosts: ## Tests in Claude Code, Codex, OpenCode and MCP clients, all real and offline; installs 1.6 GB below target/tools the first time
	@ci/test hosts

# Through `pyro mcp serve`, in USE_CASE_ENVIRONMENT (debian:12 unless set).
SMOKE = @ci/install-packages && ci/install-tools && PATH=$(CURDIR)/target/tools/bin:$$PATH cargo nextest run --profile vm --package pyro-cli --test smoke

smoke-use-cases: ## The five recipes of docs/use-cases/ on real guests
	$(SMOKE) -E 'test(/^(cold_start_validation|repro_fix_loop|parallel_workspaces|untrusted_inspection|review_eval)::/)'

smoke-cold-start-validation: ## A web application from nothing, twice, ready each time
	$(SMOKE) -E 'test(/^cold_start_validation::/)'

smoke-repro-fix-loop: ## A failing test, its patch, taken out and proven
	$(SMOKE) -E 'test(/^repro_fix_loop::/)'

smoke-parallel-workspaces: ## Three solutions side by side in one server
	$(SMOKE) -E 'test(/^parallel_workspaces::/)'

smoke-untrusted-inspection: ## A hostile repository, read and run without a way out
	$(SMOKE) -E 'test(/^untrusted_inspection::/)'

smoke-review-eval: ## Experiments in a shell, with a snapshot to go back to
	$(SMOKE) -E 'test(/^review_eval::/)'

smoke-daily-loop: ## Prepare, fail, mend, export, reset, in DAILY_LOOP_ENVIRONMENT
	$(SMOKE) -E 'test(/^daily_loop::/)'

bench: release ## Starts of guests, large workspaces, tools in them, calls of a model, each beside a baseline of the same run
	cargo bench --package pyro-engine --bench start
	cargo bench --package pyro-engine --bench workspaces
	cargo bench --package pyro-mcp --bench start
	cargo bench --package pyro-mcp --bench calls

bench-kernels: release ## Both guest kernels: times in pairs, sizes, what each can do; compiles one the first time
	cargo bench --package pyro-engine --bench kernels

doctor: release ## What this machine can do
	@$(PYRO) doctor

demo: release ## One command in a guest, as JSON
	@$(PYRO) demo

fuzz: ## Parsers of what guests, models and hosts send, each FUZZ_SECONDS under libFuzzer
	@ci/fuzz $(FUZZ_SECONDS)

soak: release fuzz ## Tests without a guest STRESS_ROUNDS times, parsers under libFuzzer and with SOAK_CASES random inputs, the minimal kernel compiled and booted, SOAK_KILLS kills, large files and builds in workspaces, 200 MB and 500 connections through ports, 32 shells, SOAK_ROUNDS runs
	PROPTEST_RNG_SEED=$$(date +%s) ci/test stress
	PROPTEST_CASES=$(SOAK_CASES) cargo nextest run --release -p pyro-proto -p pyro-agent -p pyro-gateway -p pyro-engine -p pyro-mcp --lib --bins
	PROPTEST_CASES=2000 cargo nextest run --profile vm -p pyro-agent -E 'test(any_history)'
	PYRO_COMPILE_KERNEL=1 cargo test --release -p pyro-cli --test real_kernel -- --nocapture
	PYRO_KILL_ROUNDS=$(SOAK_KILLS) cargo nextest run --profile vm -p pyro-cli -E 'test(kills_at_random_moments)'
	PYRO_LARGE_MIB=1024 PYRO_MANY_FILES=100000 PYRO_CARGO_IN_GUEST=1 cargo nextest run --profile vm -p pyro-cli -E 'test(/^workspaces::tools|a_large_file_goes_in_and_comes_out/)'
	PYRO_PORT_MIB=200 PYRO_PORT_CONNECTIONS=500 PYRO_PORT_IDLE=1 cargo nextest run --profile vm -p pyro-cli -E 'test(/^workspaces::ports/)'
	PYRO_SHELLS=32 cargo nextest run --profile vm -p pyro-cli -E 'test(/^workspaces::shells/)'
	@for round in $$(seq $(SOAK_ROUNDS)); do \
	    $(PYRO) run debian:12 -- true </dev/null 2>/dev/null || { echo "round $$round failed"; exit 1; }; \
	done; echo "$(SOAK_ROUNDS) rounds"

lab: release ## Boot the KVM lab, where real Firecracker runs on any host, and ask both for a sign of life
	@$(LAB) run -- sh -c 'firecracker --version | head -n 1; pyro doctor | grep KVM:'

lab-test: ## Tests on real machines, in the KVM lab; ARGS="FILTER" or flags of nextest
	@$(LAB) test $(ARGS)

lab-shell: release ## A shell in the KVM lab
	@$(LAB) shell

lab-bench: release ## Starts of guests in the KVM lab
	@$(LAB) bench

clean: ## Delete what cargo made; the environment cache stays (`pyro env prune`)
	cargo clean

release:
	@cargo build --release --locked --quiet --package pyro-cli
