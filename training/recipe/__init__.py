"""How one model is built and trained: the part of a configuration that teachers and students share."""

from training.recipe.distillation import DistillationConfig, TeacherConfig
from training.recipe.fit import AugmentationConfig, FitConfig, LoraConfig
from training.recipe.model import ModelConfig

__all__ = ["AugmentationConfig", "DistillationConfig", "FitConfig", "LoraConfig", "ModelConfig", "TeacherConfig"]
