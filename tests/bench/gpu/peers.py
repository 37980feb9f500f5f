#!/usr/bin/env python3
"""Times other implementations of Mamba and Mamba-2 on a CUDA device, on random weights in the shapes
of the public models, in bf16: what Sipo's figures are compared with, in the same session.

  * transformers' MambaForCausalLM and Mamba2ForCausalLM: prefill of one sequence with the logits of
    its last token, and greedy decoding of 1 and 64 sequences. Without the packages mamba_ssm and
    causal_conv1d they take their own path in PyTorch (the column "path" says which); with
    --mamba-ssm it stays that path, since the compiled kernels are not part of that checkout.
  * with --mamba-ssm DIR, the Triton kernels of the public mamba_ssm package: the chunked scan of
    Mamba-2 and the recurrent step of both, alone. DIR holds mamba_ssm/ops/triton/*.py and
    mamba_ssm/utils/{torch,determinism}.py; nothing else of the package is imported.

Every measurement is skipped when, by the one before it, it would not fit into the time that is left
(--seconds, for the whole script) or when it does not fit into memory.
"""

import argparse
import json
import os
import statistics
import sys
import time
import types

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no look-up of kernels on the network

import torch

PROMPTS = (2048, 8192, 32768, 131072)
MODELS = {  # layers, d_model, padded vocabulary
    "mamba-130m": (1, 24, 768, 50280),
    "mamba-2.8b": (1, 64, 2560, 50280),
    "mamba2-130m": (2, 24, 768, 50288),
    "mamba2-2.7b": (2, 64, 2560, 50288),
}


class Clock:
    """The time this script may take."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return self.end - time.monotonic()


def seconds_of(call, repeats=1):
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def median_seconds(call, samples=5, least=5e-3):
    """The median of samples that last at least `least` each; the call has been warmed up."""
    once = seconds_of(call)
    if once > 1.0:
        return once
    repeats = max(1, min(200, int(least / once)))
    return statistics.median(seconds_of(call, repeats) for _ in range(samples))


def attempt(rows, call, **row):
    """Adds the row with what call() returns, or with why there is nothing."""
    try:
        row.update(call())
    except torch.cuda.OutOfMemoryError:
        row["skipped"] = "out of memory"
    except Exception as error:  # another version of a package: say so and go on
        row["skipped"] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    torch.cuda.empty_cache()
    rows.append(row)
    print(json.dumps(row), file=sys.stderr, flush=True)
    return "skipped" not in row


def make_model(family, layers, d_model, vocabulary):
    import transformers

    common = dict(vocab_size=vocabulary, hidden_size=d_model, num_hidden_layers=layers, expand=2,
                  tie_word_embeddings=True)
    if family == 1:
        config = transformers.MambaConfig(state_size=16, **common)
        maker = transformers.MambaForCausalLM
    else:
        config = transformers.Mamba2Config(
            state_size=128, head_dim=64, num_heads=2 * d_model // 64, n_groups=1, chunk_size=256,
            **common)
        maker = transformers.Mamba2ForCausalLM
    with torch.device("cuda"):
        torch.manual_seed(1)
        model = maker(config)
    return model.to(torch.bfloat16).eval()


def fast_path():
    try:
        import causal_conv1d  # noqa: F401
        import mamba_ssm.ops.selective_scan_interface  # noqa: F401
    except Exception:
        return "PyTorch"
    return "compiled kernels"


def prefill(model, tokens):
    ids = torch.randint(0, model.config.vocab_size, (1, tokens), device="cuda")

    def call():
        hidden = model.backbone(ids, use_cache=False)[0]
        return model.lm_head(hidden[:, -1:].to(model.lm_head.weight.dtype))

    seconds = median_seconds(call, samples=3)
    return {"tokens_per_second": tokens / seconds, "seconds": seconds}


def decode(model, batch, few=4, more=20):
    """Tokens a second of all sequences: the difference of a long and a short generation."""
    ids = torch.randint(0, model.config.vocab_size, (batch, 16), device="cuda")

    def generate(count):
        return seconds_of(lambda: model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=count,
            max_new_tokens=count, pad_token_id=0))

    generate(few)
    seconds = generate(more) - generate(few)
    return {"tokens_per_second": batch * (more - few) / seconds, "seconds": seconds / (more - few)}


def whole_models(names, clock, rows):
    for index, name in enumerate(names):
        share = clock.left() / (len(names) - index)  # of the time for this model
        own = Clock(share)
        model = None

        def load():
            nonlocal model
            model = make_model(*MODELS[name])
            return {"parameters": sum(p.numel() for p in model.parameters())}

        what = dict(model=name, implementation="transformers", path=fast_path())
        if not attempt(rows, load, work="load", **what):
            continue
        try:
            for batch in (1, 64):
                attempt(rows, lambda: decode(model, batch), work=f"decode, batch {batch}", **what)
            whole_prompts(model, own, rows, what)
        finally:
            del model
            torch.cuda.empty_cache()


def whole_prompts(model, clock, rows, what):
    last = None
    for tokens in PROMPTS:
        expected = 0.0 if last is None else 2 * last * tokens / PROMPTS[0]
        if expected > clock.left():
            rows.append(dict(what, work=f"prefill {tokens}", skipped="no time"))
            continue
        if not attempt(rows, lambda: prefill(model, tokens), work=f"prefill {tokens}", **what):
            return  # what is longer does not fit either
        last = rows[-1]["seconds"] * PROMPTS[0] / tokens


def import_triton_ops(folder):
    """mamba_ssm's Triton modules without the package's own __init__, which wants compiled code."""
    for package in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.utils"):
        module = types.ModuleType(package)
        module.__path__ = [os.path.join(folder, *package.split("."))]
        sys.modules[package] = module
    from mamba_ssm.ops.triton.selective_state_update import selective_state_update
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    return mamba_chunk_scan_combined, selective_state_update


def random(*shape, low=-1.0, high=1.0, dtype=torch.bfloat16):
    return torch.empty(shape, device="cuda", dtype=torch.float32).uniform_(low, high).to(dtype)


def chunk_scan(scan, heads, tokens):
    """The bytes are those that no implementation avoids: x, y, B, C in bf16 and Δ in f32."""
    x = random(1, tokens, heads, 64)
    delta = random(1, tokens, heads, low=1e-3, high=0.1, dtype=torch.float32)
    a = random(heads, low=-16.0, high=-1.0, dtype=torch.float32)
    b, c = random(1, tokens, 1, 128), random(1, tokens, 1, 128)
    d = random(heads, dtype=torch.float32)
    state = random(1, heads, 64, 128, dtype=torch.float32)

    def call():
        return scan(x, delta, a, b, c, chunk_size=256, D=d, initial_states=state,
                    return_final_states=True)

    call()
    seconds = median_seconds(call)
    size = tokens * (2 * (2 * heads * 64 + 2 * 128) + 4 * heads)
    return {"seconds": seconds, "tokens_per_second": tokens / seconds,
            "bytes_per_second": size / seconds}


def state_update(update, batch, d_model, heads):
    d_inner = 2 * d_model
    d_state = 128 if heads else 16
    shape = (d_inner // 64, 64) if heads else (d_inner,)
    state = random(batch, *shape, d_state, dtype=torch.float32)
    x = random(batch, *shape)
    delta = random(batch, *shape, low=1e-3, high=0.1)
    a = random(*shape, d_state, low=-16.0, high=-1.0, dtype=torch.float32)
    width = (1, d_state) if heads else (d_state,)
    b, c = random(batch, *width), random(batch, *width)
    d = random(*shape, dtype=torch.float32)
    bias = torch.zeros(shape, device="cuda")
    z = None if heads else random(batch, *shape)
    if heads:  # as the package calls it: one Δ, A and D a head
        delta = delta[..., :1].expand(batch, *shape)
        a = a[:, :1, :1].expand(*shape, d_state)
        d, bias = d[:, :1].expand(*shape), bias[:, :1].expand(*shape)

    def call():
        return update(state, x, delta, a, b, c, d, z=z, dt_bias=bias)

    call()
    graph = torch.cuda.CUDAGraph()  # without the launches of Python
    with torch.cuda.graph(graph):
        for _ in range(10):
            call()
    seconds = median_seconds(graph.replay) / 10
    return {"seconds": seconds, "bytes_per_second": 8 * state.numel() / seconds}


def triton_ops(folder, tokens, rows):
    what = dict(implementation="mamba_ssm, Triton", path="Triton")
    try:
        scan, update = import_triton_ops(folder)
    except Exception as error:
        rows.append(dict(what, model="", work="import", skipped=f"{type(error).__name__}: {error}"))
        return
    for name in ("mamba2-2.7b", "mamba2-130m"):
        heads = 2 * MODELS[name][2] // 64
        attempt(rows, lambda: chunk_scan(scan, heads, tokens), model=name,
                work=f"head_scan, {tokens} tokens", **what)
    for name in ("mamba-2.8b", "mamba2-2.7b"):
        for batch in (1, 64):
            attempt(rows, lambda: state_update(update, batch, MODELS[name][2], MODELS[name][0] == 2),
                    model=name, work=f"scan, a token of {batch}", **what)


def print_table(rows):
    print(f"{'model':12} {'implementation':18} {'path':17} {'work':24} {'ms':>11} {'tok/s':>10} "
          f"{'GB/s':>6}")
    for row in rows:
        if row["work"] == "load" and "skipped" not in row:
            continue
        head = f"{row['model']:12} {row['implementation']:18} {row['path']:17} {row['work']:24} "
        if "skipped" in row:
            print(head + row["skipped"])
            continue
        rate = row.get("tokens_per_second")
        width = row.get("bytes_per_second")
        print(head + f"{1e3 * row['seconds']:11.4f} {rate and format(rate, '10.0f') or '':>10} "
              f"{width and format(1e-9 * width, '6.0f') or '':>6}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--mamba-ssm", metavar="DIR", help="a checkout of the public package")
    parser.add_argument("--models", default=",".join(MODELS), metavar="LIST")
    parser.add_argument("--tokens", type=int, default=131072, help="of the Triton scan")
    parser.add_argument("--seconds", type=float, default=110.0, help="for the whole script")
    arguments = parser.parse_args()
    names = [name for name in arguments.models.split(",") if name]
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        parser.error(f"no model {unknown[0]}; there are: {', '.join(MODELS)}")
    clock = Clock(arguments.seconds)
    device = torch.cuda.get_device_name()
    rows = []
    with torch.inference_mode():
        if arguments.mamba_ssm:
            triton_ops(arguments.mamba_ssm, arguments.tokens, rows)
        whole_models(names, clock, rows)
    print(f"{device}; torch {torch.__version__}\n")
    print_table(rows)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:
            json.dump({"device": device, "torch": torch.__version__, "rows": rows}, out, indent=1)


if __name__ == "__main__":
    main()
