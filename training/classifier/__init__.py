"""What `training/train_classifier.py` is made of: photo cache, sampling, augmentation, pretrained weights, engine."""
