#!/usr/bin/env python3
"""PyTorch peer for the other systems: torchvision's and transformers' classes, with random weights, on the CPU.

    pip install torch torchvision transformers numpy pillow
    python3 peer_zoo.py zoo-resnet50 | zoo-resnet50-step    a picture of 800 x 1333; step: batch statistics, backward, AdamW
    python3 peer_zoo.py zoo-clip | zoo-clip-step --batch 64  CLIPModel, ViT-B/32: pictures and texts of 77 tokens; step: contrastive
    python3 peer_zoo.py zoo-uniter --batch 16 [--ragged]     BertModel without its embeddings on padded words and regions
    python3 peer_zoo.py zoo-regions                          fasterrcnn_resnet50_fpn, from a picture to detections
    python3 peer_zoo.py zoo-gru | zoo-gru-step --batch 128   nn.GRU 300 to 1024 on packed texts of 8 to 20 words

Flags and output are those of `vilt_bench`; `tokens` counts what is real.
"""
import argparse, os, sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
import peer_vilt as base  # noqa: E402  (its way of measuring)

PICTURE = (800, 1333)


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def measure(args, run, **extra):
    base.measure(args, run, lambda ms: dict(batch=args.batch, precision=args.precision, **extra))


def inference(args, run, **extra):
    with torch.inference_mode():
        measure(args, run, **extra)


def training(args, model, loss, **extra):
    optimizer = adamw(model)

    def run():
        with base.autocast(args):
            value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    measure(args, run, **extra)


def resnet50():
    """Without the classifier; the last norm of each branch small, as in a trained network and on the other side."""
    from torchvision.models import resnet50 as build
    model = build(weights=None)
    model.fc = nn.Identity()
    return small_branches(model).to(memory_format=torch.channels_last)  # a seventh faster than without


def picture_batch(args):
    return torch.randn(args.batch, 3, *PICTURE).contiguous(memory_format=torch.channels_last)


def small_branches(model):
    for name, parameter in list(model.named_parameters()) + list(model.named_buffers()):
        if name.endswith("bn3.weight"):
            nn.init.constant_(parameter, 0.2)
    return model


def zoo_resnet50(args):
    model, pixels = resnet50().eval(), picture_batch(args)
    inference(args, lambda: model(pixels))


def zoo_resnet50_step(args):
    model, pixels = resnet50().train(), picture_batch(args)
    training(args, model, lambda: model(pixels).mean())


def clip(args):
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig
    # The classes' defaults are ViT-B/32; only the end token is an old file's.
    model = CLIPModel(CLIPConfig(text_config=CLIPTextConfig(bos_token_id=49406, eos_token_id=49407).to_dict(),
                                 vision_config=CLIPVisionConfig().to_dict(), projection_dim=512))
    ids = torch.randint(0, 49406, (args.batch, 77))
    ids[:, -1] = 49407
    return model, torch.randn(args.batch, 3, 224, 224), ids


def zoo_clip(args):
    model, pixels, ids = clip(args)
    model.eval()
    if args.precision == "bf16":  # weights in bf16: faster than autocast, which casts them again in every call
        model, pixels = model.bfloat16(), pixels.bfloat16()
    inference(args, lambda: (model.get_image_features(pixel_values=pixels), model.get_text_features(input_ids=ids)), tokens=ids.numel())


def zoo_clip_step(args):
    model, pixels, ids = clip(args)
    training(args, model.train(), lambda: model(input_ids=ids, pixel_values=pixels, return_loss=True).loss, tokens=ids.numel())


def zoo_uniter(args):
    from transformers import BertConfig, BertModel
    others = max(args.batch - 1, 1)
    lengths = [6 + 14 * i // others + 10 + 90 * (7 * i % args.batch) // others if args.ragged else 96 for i in range(args.batch)]
    model = BertModel(BertConfig(vocab_size=28996)).eval()
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    model, rows = model.to(dtype), torch.randn(args.batch, max(lengths), 768, dtype=dtype)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None] if args.ragged else None
    mask = None if mask is None else mask[:, None, None, :]
    inference(args, lambda: model.pooler(model.encoder(rows, attention_mask=mask)[0]), ragged=args.ragged, tokens=sum(lengths))


def zoo_regions(args):
    from torchvision.models.detection import fasterrcnn_resnet50_fpn
    model = small_branches(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)).eval().to(memory_format=torch.channels_last)
    pictures, proposals = [torch.rand(3, *PICTURE) for _ in range(args.batch)], []
    model.rpn.register_forward_hook(lambda module, given, result: proposals.append(sum(len(boxes) for boxes in result[0])))
    with torch.inference_mode():
        base.measure(args, lambda: model(pictures), lambda ms: dict(batch=args.batch, precision=args.precision, proposals=proposals[-1]))


def gru(args):
    lengths = [8 + i % 13 for i in range(args.batch)]
    padded = torch.zeros(args.batch, max(lengths), 300)
    for row, length in zip(padded, lengths):
        row[:length].uniform_(-1, 1)
    return nn.GRU(300, 1024, batch_first=True), nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False), \
        sum(lengths)


def zoo_gru(args):
    model, words, tokens = gru(args)
    inference(args, lambda: model(words), tokens=tokens)


def zoo_gru_step(args):
    model, words, tokens = gru(args)
    training(args, model, lambda: model(words)[1].mean(), tokens=tokens)


WORKS = {name.replace("_", "-"): work for name, work in list(globals().items()) if name.startswith("zoo_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="bf16: zoo-clip, zoo-clip-step, zoo-uniter")
    parser.add_argument("--ragged", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--reps", type=int, default=3)
    args = parser.parse_args()
    args.device, args.turns = "cpu", False
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    WORKS[args.work](args)


if __name__ == "__main__":
    main()
