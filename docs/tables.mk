# `make tables`: the tables of docs/results.md that need no data from elsewhere, 8 to 18 hours on two cores.
# What is finished is not made again, and a training that was stopped goes on, so that Ctrl-C and
# `make tables` may follow each other. SEEDS=0 makes one repetition; a single report, as in
# `make runs/tables/heads64-0/evaluation/basis/report.json`, makes what it needs and nothing else.

SEEDS ?= 0 1 2
TABLES := runs/tables
DGN := $(RUN) -m dgn_tf

# reports NAME,EXPERIMENT: those of all seeds.
reports = $(foreach seed,$(SEEDS),$(TABLES)/$(1)-$(seed)/evaluation/$(2)/report.json)

TABLE_REPORTS := \
  $(call reports,quickstart,held_out) \
  $(call reports,heads64,held_out) \
  $(call reports,heads64,basis) \
  $(call reports,heads128,adversarial) \
  $(call reports,clips_stills,expressions) \
  $(call reports,steady_stills,expressions) \
  $(call reports,clips_quickstart,clips) \
  $(call reports,clips_quickstart,expressions) \
  $(TABLES)/transfer/report/report.json \
  $(TABLES)/transfer64/report/report.json

.PHONY: tables
tables: $(TABLE_REPORTS)
	@printf '%s\n' "The reports, each with a report.html beside it:" $^

# One training for each preset and seed. model.keras is what a finished one has written.
.SECONDARY:
$(TABLES)/quickstart-%/model.keras: | .venv/installed
	$(DGN) train --preset=quickstart --seed=$* --run_dir=$(@D)

$(TABLES)/heads64-%/model.keras: | .venv/installed
	$(DGN) train --preset=heads64 --seed=$* --run_dir=$(@D)

$(TABLES)/heads128-%/model.keras: | .venv/installed
	$(DGN) train --preset=heads128 --seed=$* --run_dir=$(@D)

$(TABLES)/clips_stills-%/model.keras: | .venv/installed
	$(DGN) train --preset=clips_stills --seed=$* --run_dir=$(@D)

$(TABLES)/steady_stills-%/model.keras: | .venv/installed
	$(DGN) train --preset=clips_stills --data=steady_clips --limit=2400 --seed=$* --run_dir=$(@D)

$(TABLES)/clips_quickstart-%/model.keras: $(TABLES)/clips_stills-%/model.keras
	$(DGN) train --preset=clips_quickstart --init_from=$(<D) --seed=$* --run_dir=$(@D)

# One report for each experiment.
$(TABLES)/%/evaluation/held_out/report.json: $(TABLES)/%/model.keras
	$(DGN) evaluate --run_dir=$(<D)

$(TABLES)/%/evaluation/basis/report.json: $(TABLES)/%/model.keras
	$(DGN) evaluate --experiment=basis --run_dir=$(<D)

$(TABLES)/%/evaluation/adversarial/report.json: $(TABLES)/%/model.keras
	$(DGN) evaluate --experiment=adversarial --run_dir=$(<D)

$(TABLES)/%/evaluation/clips/report.json: $(TABLES)/%/model.keras
	$(DGN) evaluate --experiment=clips --run_dir=$(<D)

$(TABLES)/%/evaluation/expressions/report.json: $(TABLES)/%/model.keras
	$(DGN) evaluate --experiment=expressions --run_dir=$(<D)

$(TABLES)/transfer/report/report.json: | .venv/installed
	$(DGN) transfer --preset=transfer_heads --repeats=$(words $(SEEDS)) --run_dir=$(TABLES)/transfer

$(TABLES)/transfer64/report/report.json: | .venv/installed
	$(DGN) transfer --preset=heads64 --repeats=$(words $(SEEDS)) --run_dir=$(TABLES)/transfer64
