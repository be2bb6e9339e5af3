"""Tiny ViLT trained from scratch on generated scenes: the PyTorch peer of the time-to-accuracy comparison.

    python scenes_peer.py --recipe quick            # see RECIPES; every value can be overridden, e.g. --lr 1e-3
    python scenes_peer.py --recipe quick --steps 200 --n 4000 --val 200     # smoke test

Losses (summed): masked words (whole words) + image-text matching + w * word-patch alignment (IPOT, plan without
gradient, matched minus unmatched, / batch).  The masked and the unmasked text are two halves of one merged forward pass.
Seconds exclude data generation, batch-free set-up and evaluation; "cpu" is process time of the same span.
"""
import argparse, json, math, time, warnings
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
import scenes as S
warnings.filterwarnings('ignore')

BASE = dict(d=64, layers=4, heads=4, ff=4, batch=32, steps=3000, lr=2e-3, patch_lr=.3, warm=.1, wd=.01, beta2=.98, dropout=0.,
            mask=.4, content=.7, hard=.6, wpa=.1, wpa_neg=1., ipot_beta=.5, ipot_its=50, curriculum=.15,
            init='fan_in', pos='cosine', pos_init=1., mean=51., std=64., n=24000, val=400, every=500, seed=0, threads=1, compile=0, bf16=0,
            tmax=1e9, csv='', save='', sides=4, p_one=.4, p_size=0., p_side=.7, edits='')
RECIPES = {'quick': dict(p_one=1., p_side=0., curriculum=0., steps=1600, n=16000, every=200),                    # one object: colour and shape
           'long': dict(p_one=.5, p_side=1., curriculum=.35, steps=5000, n=30000, every=500)}  # one object first, then one or two


def parse():
    p = argparse.ArgumentParser(); p.add_argument('--recipe', default='quick', choices=RECIPES)
    for k, v in BASE.items(): p.add_argument('--' + k, type=type(v), default=None)
    given = vars(p.parse_args()); a = {**BASE, **RECIPES[given['recipe']], **{k: v for k, v in given.items() if v is not None}}
    return argparse.Namespace(**a)


class Block(nn.Module):                                                 # pre-norm
    def __init__(s, d, heads, hidden):
        super().__init__(); s.heads = heads; s.n1, s.n2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)
        s.qkv, s.proj, s.fc1, s.fc2 = nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(s, x, mask, p, maps=False):
        B, T, d = x.shape; q, k, v = s.qkv(s.n1(x)).view(B, T, 3, s.heads, d // s.heads).permute(2, 0, 3, 1, 4); w = None
        if maps:
            w = ((q @ k.transpose(-1, -2)) * (d // s.heads) ** -.5).masked_fill(~mask[:, None, None], -1e30).softmax(-1); o = w @ v; w = w.mean(1)
        else: o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        x = x + F.dropout(s.proj(o.transpose(1, 2).reshape(B, T, d)), p)
        return x + F.dropout(s.fc2(F.dropout(F.gelu(s.fc1(s.n2(x))), p)), p), w


class ViLT(nn.Module):
    def __init__(s, a, c):
        super().__init__(); d = a.d; s.a, s.c = a, c; V = len(S.VOCAB)
        s.word, s.pos, s.typ, s.tln = nn.Embedding(V, d, padding_idx=0), nn.Embedding(32, d), nn.Embedding(2, d), nn.LayerNorm(d, eps=1e-12)
        s.patch = nn.Linear(c.patch ** 2 * 3, d); s.cls = nn.Parameter(torch.zeros(1, 1, d))
        s.side = max(max(g) for g in c.grids); s.ipos = nn.Parameter(torch.zeros(s.side ** 2 + 1, d)); s.most = max(h * w for h, w in c.grids)
        s.blocks = nn.ModuleList(Block(d, a.heads, d * a.ff) for _ in range(a.layers)); s.norm = nn.LayerNorm(d, eps=1e-6)
        s.pool, s.mt, s.mln, s.md, s.itm = nn.Linear(d, d), nn.Linear(d, d), nn.LayerNorm(d, eps=1e-12), nn.Linear(d, V), nn.Linear(d, 2)
        for m in s.modules():
            if isinstance(m, nn.Linear): nn.init.normal_(m.weight, 0, m.in_features ** -.5 if a.init == 'fan_in' else float(a.init)); nn.init.zeros_(m.bias)
            if isinstance(m, nn.Embedding): nn.init.normal_(m.weight, 0, .02)
        nn.init.normal_(s.ipos, 0, .02); nn.init.normal_(s.cls, 0, .02)
        if a.pos == 'normal': nn.init.normal_(s.ipos, 0, a.pos_init)
        else:                                                           # smooth 2-D cosine start: quarter of d for sin/cos of x and of y
            g = torch.linspace(0, 1, s.side); q = d // 4; w = math.pi * torch.arange(1, q // 2 + 1); f = lambda z: torch.cat([torch.cos(z[:, None] * w), torch.cos(z[:, None] * w)], 1)
            with torch.no_grad():
                e = f(g); o = torch.zeros(s.side, s.side, d); k = e.shape[1]; o[..., :k] += e[None]; o[..., k:2 * k] += e[:, None]
                s.ipos[1:] += a.pos_init * 2 ** .5 * o.reshape(-1, d)

    def positions(s):                                                   # bilinear, corners aligned, one table per grid shape
        g = s.ipos[1:].view(1, s.side, s.side, -1).permute(0, 3, 1, 2)
        f = lambda h, w: F.interpolate(g, size=(h, w), mode='bilinear', align_corners=True)[0].flatten(1).t()
        return torch.stack([F.pad(f(h, w), (0, 0, 0, s.most - h * w)) for h, w in s.c.grids])

    def forward(s, ids, ln, px, grid, n, maps=False):
        B, T = ids.shape; p = s.a.dropout if s.training else 0.
        t = F.dropout(s.tln(s.word(ids) + s.pos.weight[:T]), p) + s.typ.weight[0]
        x = s.patch(px) + s.positions()[grid]
        x = F.dropout(torch.cat([(s.cls + s.ipos[0]).expand(B, -1, -1), x], 1), p) + s.typ.weight[1]
        mask = torch.cat([torch.arange(T)[None] < ln[:, None], torch.ones(B, 1, dtype=torch.bool), torch.arange(px.shape[1])[None] < n[:, None]], 1)
        x = torch.cat([t, x], 1); ws = []
        for b in s.blocks: x, w = b(x, mask, p, maps); ws.append(w)
        x = s.norm(x.float()); return (x, ws) if maps else x

    def mlm(s, x): return s.md(s.mln(F.gelu(s.mt(x)).float())).float()
    def match(s, x): return s.itm(torch.tanh(s.pool(x[:, 0]))).float()


def cost(x, T, ln, n):
    """1 - cosine between words (no [CLS], no [SEP]) and patches (no image class token); masks are true on padding."""
    t, v = F.normalize(x[:, :T].float(), dim=-1, eps=1e-5), F.normalize(x[:, T + 1:].float(), dim=-1, eps=1e-5); i = torch.arange(T)[None]
    tp = (i >= ln[:, None] - 1) | (i == 0); ip = torch.arange(v.shape[1])[None] >= n[:, None]
    return (1 - t @ v.transpose(1, 2)).masked_fill(tp[:, :, None] | ip[:, None], 0), tp, ip


@torch.no_grad()
def ipot(C, tp, ip, beta, its):
    b, m, n = C.shape; xl, yl = (~tp).sum(1).float(), (~ip).sum(1).float(); pad = (tp[:, :, None] | ip[:, None]).transpose(1, 2)
    sg = (torch.ones(b, m) / xl[:, None]).masked_fill(tp, 0); A = torch.exp(-C.transpose(1, 2) / beta).masked_fill(pad, 0); T = torch.ones(b, n, m).masked_fill(pad, 0)
    xm, ym, xl, yl = (tp.float() * 1e4)[:, None], (ip.float() * 1e4)[:, None], xl[:, None, None], yl[:, None, None]
    for _ in range(its):
        Q = A * T; de = 1 / (yl * Q.matmul(sg.view(b, m, 1)).view(b, 1, n) + ym); sg = 1 / (xl * de.matmul(Q) + xm); T = de.view(b, n, 1) * Q * sg
    return T.transpose(1, 2)                                            # words x patches


class Data:
    def __init__(s, a, c, n, seed):
        d = S.generate(c, n, seed); s.raw, s.n, s.recs = d, n, d['recs']; s.mean, s.std = a.mean, a.std
        s.px, s.ids, s.len, s.grid, s.count = (torch.from_numpy(d[k]) for k in ('px', 'ids', 'len', 'grid', 'count'))
    def images(s, i): return (s.px[i].float() - s.mean) / s.std, s.grid[i], s.count[i]


def mask_words(a, d, i, rng):
    """Whole words until about `mask` of the tokens are taken; with chance `content`, content words go first.  80/10/10."""
    ids = d.ids[i].clone(); word, kind = d.raw['word'][i], d.raw['kind'][i]; lab = torch.full_like(ids, -100); V = len(S.VOCAB)
    for r in range(len(i)):
        order = rng.permutation(word[r].max() + 1); n = max(1, round(a.mask * (word[r] >= 0).sum())); k = 0; seen = set()
        if a.content > 0 and rng.random() < a.content: order = np.concatenate([rng.permutation(np.unique(word[r][kind[r] >= 0])), order])
        for w in order:
            if w in seen: continue
            seen.add(w); t = np.nonzero(word[r] == w)[0]
            if k + len(t) > n and k > 0: continue
            k += len(t)
            for j in t:
                lab[r, j] = ids[r, j]; u = rng.random(); ids[r, j] = 3 if u < .8 else (int(rng.integers(V)) if u < .9 else ids[r, j])
            if k >= n: break
    return ids, lab


def true_of(A, B):
    """Could caption A be true of scene B?  Conservative: ignores the relation."""
    A, B = A['spec'], B['spec']; same = lambda o, q: o['c'] == q['c'] and o['s'] == q['s'] and (not o['mz'] or o['z'] == q['z'])
    return all(any(same(o, q) for q in B['objs']) for o in A['objs'])


@torch.no_grad()
def evaluate(a, c, m, d, full=False):
    m.eval(); n = d.n; rs = np.random.default_rng(3); fr = []
    for i in range(n):
        j = i
        while j == i or j == i ^ 1 or true_of(d.recs[i], d.recs[j]): j = int(rs.integers(n))
        fr.append(j)
    fr, ar = torch.tensor(fr), torch.arange(n)
    def score(ti, ii):
        z = []
        for b in range(0, n, 200): s = slice(b, b + 200); q = m.match(m(d.ids[ti[s]], d.len[ti[s]], *d.images(ii[s]))); z.append(q[:, 1] - q[:, 0])
        return torch.cat(z)
    sp, sr, sh = score(ar, ar), score(ar, fr), score(ar, ar ^ 1); tp = (sp > 0).float(); acc = lambda neg, k: float((tp[k].mean() + (neg[k] < 0).float().mean()) / 2)
    e = dict(itm_random=acc(sr, ar), itm_hard=acc(sh, ar), pair=float((sp > sh).float().mean())); kinds = np.array([r['kind'] for r in d.recs])
    e['hard'] = {k: round(acc(sh, torch.from_numpy(np.nonzero(kinds == k)[0])), 3) for k in S.EDITS if (kinds == k).any()}
    I, ids, lab, kd = [], [], [], []                                    # every content word masked alone
    for i in range(n):
        w = d.raw['word'][i]
        for x in range(w.max() + 1):
            t = np.nonzero(w == x)[0]; k = d.raw['kind'][i, t[0]]
            if k >= 0: q = d.raw['ids'][i].copy(); q[t] = 3; l = np.full_like(q, -100); l[t] = d.raw['ids'][i, t]; I.append(i); ids.append(q); lab.append(l); kd.append(k)
    sel = slice(None) if full else np.sort(rs.permutation(len(I))[:len(I) // 3]); I, ids, lab, kd = torch.tensor(I)[sel], torch.tensor(np.array(ids))[sel], torch.tensor(np.array(lab))[sel], np.array(kd)[sel]
    def words(shift):
        ok = []
        for b in range(0, len(I), 256):
            s = slice(b, b + 256); p = m.mlm(m(ids[s], d.len[I[s]], *d.images((I[s] + shift) % n))[:, :ids.shape[1]]).argmax(-1); ok.append(((p == lab[s]) | (lab[s] < 0)).all(1))
        return torch.cat(ok).numpy()
    ok = words(0); e['mlm'] = float(ok.mean()); e['words'] = {k: round(float(ok[kd == j].mean()), 3) for j, k in enumerate(S.KIND_NAMES) if (kd == j).any()}
    e.update(pointing(a, c, m, d, ar, ar, full))
    if full: e['mlm_wrong_image'] = float(words(37).mean()); e.update({'shuffled_' + k: v for k, v in pointing(a, c, m, d, ar, fr, False).items() if k in ('plan', 'att', 'cos')})
    m.train(); return e


@torch.no_grad()
def pointing(a, c, m, d, ti, ii, full):
    """Shape words: share whose best patch has its centre in the named object's box, for the transport plan (beta 0.1), cosine, and
    attention (mean over heads, third layer).  Ties share the hit.  which_*: mean over own box above mean over the other object's box."""
    R = {}; P = c.patch; add = lambda k, v: R.setdefault(k, []).append(float(v))
    if not full: ti, ii = ti[:300], ii[:300]
    for b in range(0, len(ti), 100):
        A, B = ti[b:b + 100], ii[b:b + 100]; ids = d.ids[A]; T = ids.shape[1]; x, ws = m(ids, d.len[A], *d.images(B), maps=True)
        C, tp, ip = cost(x, T, d.len[A], d.count[B]); maps = dict(plan=ipot(C, tp, ip, .1, 1000 if full else 100), cos=1 - C, att=ws[min(2, len(ws) - 1)][:, :T, T + 1:])
        if full: maps['plan_train'] = ipot(C, tp, ip, a.ipot_beta, a.ipot_its); maps.update({f'att{k + 1}': w[:, :T, T + 1:] for k, w in enumerate(ws)})
        for r in range(len(A)):
            i, j = int(A[r]), int(B[r]); h, w = c.grids[d.raw['grid'][j]]; N = h * w; cx, cy = (np.arange(N) % w) * P + P / 2, (np.arange(N) // w) * P + P / 2
            box = [(cx >= x0) & (cx < x0 + s) & (cy >= y0) & (cy < y0 + s) for x0, y0, s in d.recs[j]['boxes']]
            for k in np.unique(d.raw['word'][i][d.raw['kind'][i] == 1]):
                t = np.nonzero(d.raw['word'][i] == k)[0]; o = int(d.raw['obj'][i, t[0]])
                if o >= len(box) or not box[o].any(): continue
                add('chance', box[o].mean())
                for name, M in maps.items():
                    v = M[r, t].sum(0)[:N].numpy(); top = v >= v.max() - 1e-6 * abs(v.max()); add(name, box[o][top].mean())
                    if name == 'plan': q = v / v.sum(); add('plan_entropy', -(q * np.log(q + 1e-12)).sum() / np.log(N))
                    if name in ('plan', 'att'): add(name + '_mass', v[box[o]].sum() / v.sum())
                    if len(box) > 1 and box[1 - o].any(): p, q = v[box[o]].mean(), v[box[1 - o]].mean(); add('which_' + name, .5 if abs(p - q) < 1e-9 else p > q)
    return {k: round(float(np.mean(v)), 4) for k, v in R.items()}


def main():
    a = parse(); torch.manual_seed(a.seed); torch.set_num_threads(a.threads); torch.set_flush_denormal(True)
    c = S.Config(p_one=a.p_one, p_size=a.p_size, p_side=a.p_side, sides=a.sides, edits=a.edits)
    t = time.time(); tr, va = Data(a, c, a.n, 1000 + a.seed), Data(a, c, a.val, 7); t = time.time() - t
    rng = np.random.default_rng(a.seed + 5); m = ViLT(a, c); run = torch.compile(m) if a.compile else m
    flat = lambda k: k.endswith('bias') or any(x in k for x in ('.n1.', '.n2.', 'norm.', 'ln.')); named = list(m.named_parameters())
    opt = torch.optim.AdamW([dict(params=[p for k, p in named if not flat(k) and p is not m.patch.weight], weight_decay=a.wd, mul=1.),
                             dict(params=[m.patch.weight], weight_decay=a.wd, mul=a.patch_lr),
                             dict(params=[p for k, p in named if flat(k)], weight_decay=0, mul=1.)], lr=a.lr, betas=(.9, a.beta2), fused=True)
    print(f'# {vars(a)}\n# parameters {sum(p.numel() for _, p in named)} vocabulary {len(S.VOCAB)} tokens {tr.ids.shape[1]}+1+{tr.px.shape[1]} generation {t:.1f} s', flush=True)
    print('untrained', json.dumps(evaluate(a, c, m, va, True)), flush=True)
    cols = 'step,seconds,cpu_seconds,loss_mlm,loss_itm,loss_wpa,itm_random,itm_hard,mlm_content,point_attention,point_plan,point_chance'; out = open(a.csv, 'w') if a.csv else None
    print(cols); out and print(cols, file=out, flush=True)
    ones = np.array([i for i, r in enumerate(tr.recs) if len(r['spec']['objs']) == 1]); B = a.batch; warm = max(1, int(a.warm * a.steps)); sec = cpu = 0.; tot = np.zeros(3); k = 0; perm = []
    for st in range(1, a.steps + 1):
        t0, c0 = time.perf_counter(), time.process_time()
        for g in opt.param_groups: g['lr'] = a.lr * g['mul'] * (st / warm if st <= warm else (a.steps - st) / max(1, a.steps - warm))
        if st <= a.curriculum * a.steps: i = rng.choice(ones, B, replace=False)          # one-object scenes first
        else:
            if len(perm) < B: perm = rng.permutation(a.n)
            i, perm = perm[:B], perm[B:]
        y = torch.zeros(B, dtype=torch.long); y[torch.from_numpy(rng.permutation(B)[:B // 2])] = 1
        false = np.where(rng.random(B) < a.hard, i ^ 1, rng.integers(a.n, size=B)); ii = torch.from_numpy(np.where(y.numpy() == 1, i, false))
        ids, lab = mask_words(a, tr, i, rng); i = torch.from_numpy(i); ln = tr.len[i]; T = int(ln.max()); ids, lab = ids[:, :T], lab[:, :T]
        (p1, g1, n1), (p2, g2, n2) = tr.images(i), tr.images(ii)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=bool(a.bf16)):
            x = run(torch.cat([ids, tr.ids[i][:, :T]]), torch.cat([ln, ln]), torch.cat([p1, p2]), torch.cat([g1, g2]), torch.cat([n1, n2]))
            sel = lab != -100; l1 = F.cross_entropy(m.mlm(x[:B, :T][sel]), lab[sel]); l2 = F.cross_entropy(m.match(x[B:]), y); l3 = torch.zeros(())
        if a.wpa > 0:
            C, tp, ip = cost(x[B:], T, ln, n2); dist = (C * ipot(C, tp, ip, a.ipot_beta, a.ipot_its)).sum((1, 2)); l3 = ((dist * y).sum() - a.wpa_neg * (dist * (1 - y)).sum()) / B
        (l1 + l2 + a.wpa * l3).backward(); opt.step(); opt.zero_grad(set_to_none=True)
        sec += time.perf_counter() - t0; cpu += time.process_time() - c0; tot += [float(z.detach()) for z in (l1, l2, l3)]; k += 1; last = st == a.steps or sec > a.tmax
        if st % a.every == 0 or last:
            e = evaluate(a, c, m, va, last)
            row = f'{st},{sec:.1f},{cpu:.1f},' + ','.join(f'{z:.4f}' for z in (*(tot / k), e['itm_random'], e['itm_hard'], e['mlm'], e['att'], e['plan'], e['chance'])); tot[:] = 0; k = 0
            print(row, e['hard'], e['words'], flush=True); out and print(row, file=out, flush=True)
        if last: break
    print('final', json.dumps(e)); print(f'{sec / st * 1e3:.1f} ms/step, {cpu / st * 1e3:.1f} cpu-ms/step')
    if a.save: torch.save(m.state_dict(), a.save)


if __name__ == '__main__': main()
