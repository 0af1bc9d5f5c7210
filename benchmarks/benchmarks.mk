# Long runs that `make test` does not do; each writes benchmarks/reports/NAME.json and NAME.md.
# A smaller run: make bench-kill ROWS=500. The engines need `pip install 'wildvision[ray,spark]'` and Java 17 or newer.

ROWS ?=
BENCH := $(BIN)/python -m benchmarks
bench_rows = $(if $(ROWS),--rows $(ROWS))

.PHONY: bench-kill bench-bad-inputs bench-soak bench-million bench-engines bench-throughput bench-listings test-engines

bench-kill: $(VENV)/.installed-dev ## kill a run of 20,000 rows 30 times, resume, compare
	$(BENCH).kill_test $(bench_rows)

bench-bad-inputs: $(VENV)/.installed-dev ## 5,000 mutated files in a run of 20,000
	$(BENCH).bad_inputs $(bench_rows)

bench-soak: $(VENV)/.installed-dev ## memory and open files over 200,000 rows
	$(BENCH).soak $(bench_rows)

bench-million: $(VENV)/.installed-dev ## a manifest of a million rows, killed, resumed, validated
	$(BENCH).million $(bench_rows)

bench-engines: $(VENV)/.installed-engines ## local, Ray and Spark: the same rows, and the overhead
	$(BENCH).engines $(bench_rows)

bench-throughput: $(VENV)/.installed-dev ## photos a second against a plain timm loop and the limits
	$(BENCH).throughput $(bench_rows)

bench-listings: $(VENV)/.installed-dev ## rules for listings; needs runs/default-fold*/scores.parquet of a training
	$(BENCH).listings $(bench_rows)

test-engines: $(VENV)/.installed-engines ## tests that start Ray and Spark
	$(BIN)/pytest tests/scoring -m engines

$(VENV)/.installed-engines: $(VENV)/.installed-dev
	@java -version >/dev/null 2>&1 || { echo "Spark needs Java 17 or newer: apt-get install openjdk-17-jre-headless"; exit 2; }
	$(BIN)/pip install --quiet -e ".[dev,ray,spark]"
	@touch $@
