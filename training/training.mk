# From photos and seeds to the bundled models; hours on a CPU, and every step goes on where it was stopped.
# DATA is the folder of the development photos (manifest.csv beside them); BLENDER_PYTHON an interpreter with bpy.

DATA ?= ../shared/data
BLENDER_PYTHON ?= .venv-synth/bin/python
CLASSIFIERS := probe fast default  # in this order: each needs those before it
FOLDS := --fold 0 --fold 1 --fold 2

.PHONY: prepare train train-detector compare-detectors evaluate ablation tta train-large

prepare: $(VENV)/.installed-dev $(BLENDER_PYTHON) ## boxes, folds, renders, masks and cut-outs for training
	$(BIN)/python -m training.prepare --data $(DATA) --python $(BLENDER_PYTHON) --workers 2

train: prepare ## the bundled classifiers, and models that leave sources out
	for name in $(CLASSIFIERS); do $(BIN)/python -m training.train_classifier configs/classifier-$$name.yaml --data $(DATA) $(FOLDS) \
		&& $(BIN)/python -m training.train_classifier configs/classifier-$$name.yaml --data $(DATA) --final || exit 1; done

train-detector: train ## the bundled detector, from both classifiers' runs, with its report
	$(BIN)/python -m training.train_detector configs/detector-default.yaml --data $(DATA) $(FOLDS)
	$(BIN)/python -m training.train_detector configs/detector-default.yaml --data $(DATA) --final
	$(BIN)/python -m training.ship_detector configs/detector-default.yaml --data $(DATA) --classifier configs/classifier-default.yaml --report reports/detector --to src/wildvision/weights

compare-detectors: train-detector ## FCOS at two picture sizes beside RetinaNet, on the photos of one fold
	for name in 320 retinanet; do $(BIN)/python -m training.train_detector configs/detector-$$name.yaml --data $(DATA) --fold 1 || exit 1; done
	$(BIN)/python -m training.detector.compare $(foreach name,default 320 retinanet,configs/detector-$(name).yaml) --folds 1 --report reports/detector

evaluate: $(VENV)/.installed-dev ## measure the recipes on sources that their models have not seen (after make train)
	for name in $(CLASSIFIERS); do $(BIN)/python -m training.evaluate configs/classifier-$$name.yaml --data $(DATA) --report reports/$$name || exit 1; done

ablation: $(VENV)/.installed-dev ## what composed pictures and renders add to one network of fast (after make prepare)
	for row in photos composer renders; do $(BIN)/python -m training.ablation configs/classifier-fast.yaml --row $$row --data $(DATA) || exit 1; done
	$(BIN)/python -m training.ablation configs/classifier-fast.yaml --data $(DATA) --report reports/ablation

tta: $(VENV)/.installed-dev ## what test-time augmentation adds to the small classifier (after make train)
	$(BIN)/python -m training.tta configs/classifier-fast.yaml --data $(DATA) --report reports/fast

train-large: train-detector ## the larger classifier (a head on CLIP beside the bundled networks) and the detector that it judges for; hours on a CPU
	$(BIN)/python -m training.train_classifier configs/classifier-large.yaml --data $(DATA) $(FOLDS)
	$(BIN)/python -m training.train_classifier configs/classifier-large.yaml --data $(DATA) --final
	$(BIN)/python -m training.ship_classifier configs/classifier-large.yaml --data $(DATA) --precision bf16 --head --report reports/large --to src/wildvision/weights/heads
	$(BIN)/python -m training.second_opinion reports/fast reports/default --then reports/large --report reports/large
	$(BIN)/python -m training.train_detector configs/detector-large.yaml --data $(DATA) $(FOLDS)
	$(BIN)/python -m training.ship_detector configs/detector-large.yaml --data $(DATA) --classifier configs/classifier-large.yaml --no-second-look --report reports/detector-large --to src/wildvision/weights/heads

.venv-synth/bin/python:
	$(PYTHON) -m venv .venv-synth
	.venv-synth/bin/pip install --quiet -e ".[synth]"
