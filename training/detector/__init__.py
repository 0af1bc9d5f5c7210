"""What `training/train_detector.py` is made of: pictures with boxes, augmentation, batches, engine, COCO measures."""
