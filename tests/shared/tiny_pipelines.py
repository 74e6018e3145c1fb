"""Diffusers pipelines of a few thousand random weights, written into folders as save_pretrained does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

SMALL: dict[str, Any] = {"block_out_channels": (8, 16), "norm_num_groups": 4}


def _autoencoder(**said: Any) -> Any:
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return diffusers.AutoencoderKL(latent_channels=4, sample_size=16, **SMALL, **blocks, **said)


def _tokenizer() -> Any:
    letters = [chr(97 + number) for number in range(26)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16)


def _text(kind: Any) -> Any:
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    sizes = {"hidden_size": 8, "projection_dim": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return kind(transformers.CLIPTextConfig(vocab_size=54, max_position_embeddings=16, **sizes, **ends))


def unconditional(folder: Path) -> Path:
    """A DDIM of 8 pixels."""
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unet = diffusers.UNet2DModel(sample_size=8, layers_per_block=1, **SMALL, **blocks)
    diffusers.DDIMPipeline(unet, diffusers.DDIMScheduler(num_train_timesteps=100)).save_pretrained(folder)
    return folder


def classes(folder: Path) -> Path:
    """A DiT of 16 pixels: its pipeline takes class 1000 for none."""
    torch.manual_seed(0)
    transformer = diffusers.DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=4, in_channels=4, out_channels=8, num_layers=1, sample_size=8,
        num_embeds_ada_norm=1000,
    )  # fmt: skip
    diffusers.DiTPipeline(transformer, _autoencoder(), diffusers.DDIMScheduler()).save_pretrained(folder)
    return folder


def prompts(folder: Path) -> Path:
    """A Stable Diffusion of 16 pixels."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, layers_per_block=1, cross_attention_dim=8, attention_head_dim=2, **SMALL,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    scheduler = diffusers.EulerDiscreteScheduler(steps_offset=1)
    text = {"text_encoder": _text(transformers.CLIPTextModel), "tokenizer": _tokenizer()}
    off = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    diffusers.StableDiffusionPipeline(vae=_autoencoder(), unet=unet, scheduler=scheduler, **text, **off).save_pretrained(folder)
    return folder


def flow(folder: Path) -> Path:
    """A flow-matching Stable Diffusion 3 of 16 pixels, without its third text encoder."""
    torch.manual_seed(0)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=1, in_channels=4, num_layers=1, attention_head_dim=4, num_attention_heads=2,
        caption_projection_dim=8, joint_attention_dim=16, pooled_projection_dim=16, out_channels=4, pos_embed_max_size=8,
    )  # fmt: skip
    autoencoder = _autoencoder(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1)
    encoders = [_text(transformers.CLIPTextModelWithProjection) for _ in range(2)]
    diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(), vae=autoencoder,
        text_encoder=encoders[0], tokenizer=_tokenizer(), text_encoder_2=encoders[1], tokenizer_2=_tokenizer(),
        text_encoder_3=None, tokenizer_3=None,
    ).save_pretrained(folder)  # fmt: skip
    return folder
