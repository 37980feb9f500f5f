#!/usr/bin/env python3
"""Writes the small random checkpoints that tests/parity/transformers_test.cpp compares against.

    HF_HUB_OFFLINE=1 python3 make_parity_checkpoints.py OUT

Needs torch, transformers, safetensors and numpy; no network, no GPU. For each model OUT gets a folder with
config.json and model.safetensors as transformers saves them, ids.bin (int32) and logits.bin
(f32, [ids, vocabulary]): what transformers computes for those ids, in float64 where its code
allows, on its plain path. Folders "*-original" hold the same weights in the layout of mamba_ssm:
config.json and pytorch_model.bin, whole or in shards.

transformers' plain path normalises a whole row behind the gate of Mamba-2, whatever the number of
groups; mamba_ssm, which trains these models, and transformers' own fused path normalise each
group. The expected logits here are those of the groups: the norm's forward is replaced.
"""
import collections
import json
import math
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from transformers.models.mamba2 import modeling_mamba2

TOKENS = 37
VOCABULARY = 263

MODELS = {
    "mamba1": transformers.MambaConfig(
        vocab_size=VOCABULARY, hidden_size=40, num_hidden_layers=3, state_size=5, conv_kernel=3,
        expand=3, time_step_rank=7, use_bias=True, use_conv_bias=True, layer_norm_epsilon=1e-5,
        tie_word_embeddings=True, pad_token_id=0, bos_token_id=0, eos_token_id=0),
    "mamba2": transformers.Mamba2Config(
        vocab_size=VOCABULARY, hidden_size=36, num_hidden_layers=3, state_size=10, conv_kernel=4,
        expand=2, num_heads=6, head_dim=12, n_groups=1, use_bias=True, use_conv_bias=True,
        layer_norm_epsilon=1e-5, time_step_limit=(0.004, 0.25), chunk_size=16,
        tie_word_embeddings=True, pad_token_id=0, bos_token_id=0, eos_token_id=0),
    "mamba2-groups": transformers.Mamba2Config(
        vocab_size=VOCABULARY, hidden_size=48, num_hidden_layers=3, state_size=6, conv_kernel=4,
        expand=2, num_heads=16, head_dim=6, n_groups=8, use_bias=False, use_conv_bias=False,
        layer_norm_epsilon=1e-5, chunk_size=16,
        tie_word_embeddings=False, pad_token_id=0, bos_token_id=0, eos_token_id=0),
    "falcon-mamba": transformers.FalconMambaConfig(
        vocab_size=VOCABULARY, hidden_size=44, num_hidden_layers=3, state_size=7, conv_kernel=4,
        expand=2, time_step_rank=5, use_bias=False, use_conv_bias=True, layer_norm_epsilon=1e-6,
        mixer_rms_eps=1e-2, tie_word_embeddings=False,
        pad_token_id=0, bos_token_id=0, eos_token_id=11),
}


def random_weight(name, shape, rng):
    """Weights of a size that keeps every term of the equations in the result."""
    normal = rng.standard_normal(shape)
    if name.endswith("A_log"):
        return np.log(rng.uniform(0.5, 16.0, shape))
    if name.endswith(("dt_proj.bias", "dt_bias")):
        delta = np.exp(rng.uniform(math.log(1e-3), math.log(0.5), shape))
        return delta + np.log(-np.expm1(-delta))
    if name.endswith((".D", "norm.weight", "norm_f.weight")):
        return 1.0 + 0.25 * normal
    if name.endswith(".bias"):
        return 0.2 * normal
    if name.endswith("conv1d.weight"):
        return 0.5 * normal
    if "embeddings" in name:
        return 0.5 * normal
    return normal / math.sqrt(shape[-1])


def exact_in(dtype, values):
    return values.to(dtype).to(torch.float32)


def random_model(config, seed):
    rng = np.random.default_rng(seed)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    weights = {}
    for name, old in model.state_dict().items():
        if config.tie_word_embeddings and name == "lm_head.weight":
            continue
        value = torch.from_numpy(random_weight(name, tuple(old.shape), rng).astype(np.float32))
        # So that the .bin files may hold them in two bytes without changing the model.
        if name.endswith("out_proj.weight"):
            value = exact_in(torch.float16, value)
        if name.endswith("in_proj.weight") and ".1." in name:
            value = exact_in(torch.bfloat16, value)
        weights[name] = value
    if config.tie_word_embeddings:
        weights["lm_head.weight"] = weights["backbone.embeddings.weight"]
    model.load_state_dict(weights, strict=True)
    model.tie_weights()
    return model, weights


def grouped_norm(groups):
    def forward(self, hidden_states, gate=None):
        x = hidden_states.double() * torch.nn.functional.silu(gate.double())
        parts = x.unflatten(-1, (groups, -1))
        parts = parts * torch.rsqrt(parts.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return (self.weight * parts.flatten(-2)).to(hidden_states.dtype)
    return forward


def expected_logits(model, config, ids):
    plain = modeling_mamba2.MambaRMSNormGated.forward
    if getattr(config, "n_groups", 1) > 1:
        modeling_mamba2.MambaRMSNormGated.forward = grouped_norm(config.n_groups)
    try:
        results = {}
        for dtype in (torch.float32, torch.float64):
            try:
                with torch.no_grad():
                    results[dtype] = model.to(dtype)(input_ids=ids[None], use_cache=False).logits[0]
            except RuntimeError as error:
                print(f"  {dtype}: {error}", file=sys.stderr)
        model.to(torch.float32)
    finally:
        modeling_mamba2.MambaRMSNormGated.forward = plain
    best = results.get(torch.float64, results[torch.float32]).double()
    single = results[torch.float32].double()
    print(f"  precision: {'float64' if torch.float64 in results else 'float32'}; float32 differs "
          f"by {(single - best).norm() / best.norm():.2e} (relative L2); "
          f"deviation of logits {best.std():.3f}")
    assert torch.isfinite(best).all()
    return best.float()


def original_names(weights):
    return {name.replace("backbone.embeddings.", "backbone.embedding."): value
            for name, value in weights.items()}


def original_config(config):
    mamba2 = config.model_type == "mamba2"
    ssm = {"d_state": config.state_size, "d_conv": config.conv_kernel, "expand": config.expand,
           "bias": config.use_bias, "conv_bias": config.use_conv_bias}
    if mamba2:
        ssm |= {"layer": "Mamba2", "headdim": config.head_dim, "ngroups": config.n_groups}
        if math.isfinite(config.time_step_limit[1]):
            ssm["dt_limit"] = list(config.time_step_limit)
    else:
        ssm |= {"layer": "Mamba1", "dt_rank": config.time_step_rank}
    # 263 rows are 257 tokens padded to a multiple of 263: odd, but a multiple.
    return {"d_model": config.hidden_size, "d_intermediate": 0, "n_layer": config.num_hidden_layers,
            "vocab_size": 257, "ssm_cfg": ssm, "attn_layer_idx": [], "attn_cfg": {},
            "rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True,
            "pad_vocab_size_multiple": 263, "tie_embeddings": config.tie_word_embeddings}


def awkward(name, value):
    """The same values in the forms that torch.save keeps apart."""
    if name.endswith("out_proj.weight"):
        return value.to(torch.float16)
    if name.endswith("in_proj.weight") and ".1." in name:
        return value.to(torch.bfloat16)
    if name.endswith("in_proj.weight"):
        return value.t().contiguous().t()  # column-major strides
    if name.endswith("A_log"):
        longer = torch.cat([torch.full((3,), 7.0), value.flatten(), torch.full((2,), 9.0)])
        return longer[3:-2].view(value.shape)  # a window of a larger storage
    if name.endswith(".D"):
        return torch.stack([value, -value], dim=1)[:, 0]  # every second element
    return value


def save_original(weights, config, folder):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(original_config(config), indent=2) + "\n")
    tensors = collections.OrderedDict(
        (name, awkward(name, value)) for name, value in original_names(weights).items())
    tensors["backbone.norm_f.weight"] = torch.nn.Parameter(tensors["backbone.norm_f.weight"])
    if config.tie_word_embeddings:
        tensors["lm_head.weight"] = tensors["backbone.embedding.weight"]  # one storage
        tensors._metadata = collections.OrderedDict([("", {"version": 1})])  # as a module leaves it
        torch.save(tensors, folder / "pytorch_model.bin")
        return
    names = list(tensors)
    shards = [names[0::2], names[1::2]]
    weight_map = {}
    for i, part in enumerate(shards):
        file = f"pytorch_model-{i + 1:05d}-of-{len(shards):05d}.bin"
        torch.save({name: tensors[name] for name in part}, folder / file)
        weight_map |= {name: file for name in part}
    (folder / "pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map}, indent=2, sort_keys=True) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    ids = torch.from_numpy(np.random.default_rng(5).integers(0, VOCABULARY, TOKENS))
    for seed, (name, config) in enumerate(MODELS.items(), start=100):
        print(name)
        for folder in (out / name, out / f"{name}-original"):
            shutil.rmtree(folder, ignore_errors=True)
        model, weights = random_model(config, seed)
        model.save_pretrained(out / name)
        for extra in (out / name).glob("generation_config.json"):
            extra.unlink()
        ids.numpy().astype("<i4").tofile(out / name / "ids.bin")
        expected_logits(model, config, ids).numpy().astype("<f4").tofile(out / name / "logits.bin")
        if config.model_type != "falcon_mamba":
            save_original(weights, config, out / f"{name}-original")
    legacy = {"backbone.norm_f.weight": torch.ones(3)}
    torch.save(legacy, out / "legacy.bin", _use_new_zipfile_serialization=False)
    (out / "versions.json").write_text(json.dumps(
        {"torch": torch.__version__, "transformers": transformers.__version__,
         "numpy": np.__version__}, indent=2) + "\n")


if __name__ == "__main__":
    main()
