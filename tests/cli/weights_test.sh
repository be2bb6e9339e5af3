#!/usr/bin/env bash
# `vilt info` and `vilt convert`: weights in every form.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
golden=$root/tests/golden

succeeds "a Hugging Face directory says which command it is for" "heads: answers (vilt answer)" info "$golden/vilt_vqa"
succeeds "its labels" "11 labels: LABEL_0, LABEL_1" info "$golden/vilt_vqa"
succeeds "a torch file" "official.ckpt: torch, the authors' names" info "$golden/torch_files/official.ckpt"
grep -qF "how many attention heads the model has" stdout
report $? "what is missing to use it is told"
succeeds "with the number of heads it is a model" "heads: masked words (vilt fill), matching (vilt match)" \
  info "$golden/torch_files/official.ckpt" --attention-heads 4
succeeds "tensors of a file that is no ViLT" "transposed f32 [6, 4]" info "$golden/torch_files/shared_storage.bin" --tensors
succeeds "types that the reader converts are named" "f32 from HalfStorage" info "$golden/torch_files/half.bin"
fails 2 "posix.system" info "$golden/torch_files/bad/global_os_system.bin"
[[ ! -e executed ]]
report $? "nothing of a hostile file is run"
fails 2 "nothing-here: no such file or directory; expected a model's folder, a file of weights or a TOML file" info nothing-here

succeeds "a torch file becomes a Hugging Face directory" "hf: ViltForMaskedLM, 46 parameters, f32" \
  convert "$golden/torch_files/official.ckpt" hf --config "$golden/vilt_mlm/config.json"
grep -qF "extra_heads.safetensors" stdout && grep -qF "ignored: text_embeddings.position_ids" stdout
report $? "what was ignored and what has no place is told"
succeeds "the directory becomes the authors' file" "authors.safetensors: the authors' names, 46 parameters" \
  convert hf authors.safetensors --names authors
succeeds "and that a directory again" "again: ViltForMaskedLM" convert authors.safetensors again
cmp -s hf/model.safetensors again/model.safetensors && cmp -s hf/extra_heads.safetensors again/extra_heads.safetensors
report $? "nothing was lost on the way"
succeeds "a directory is converted to what it was" "same: ViltForMaskedLM" convert "$golden/vilt_mlm" same
cmp -s hf/model.safetensors same/model.safetensors
report $? "the authors' file and Hugging Face's directory hold the same weights"

fails 2 "hf: exists already; --force replaces it" convert "$golden/vilt_mlm" hf
succeeds "--force replaces a model" "hf: ViltForMaskedLM, 44 parameters, bf16" convert "$golden/vilt_mlm" hf --force --dtype bf16
[[ ! -e hf/extra_heads.safetensors ]]
report $? "nothing of the old model is left"
mkdir photos && touch photos/a.jpg
fails 2 "photos: is not replaced, since it holds a.jpg" convert "$golden/vilt_mlm" photos --force
fails 2 "--dtype is 'f16', expected f32 or bf16" convert "$golden/vilt_mlm" x --dtype f16
fails 2 "--names is 'mine', expected huggingface or authors" convert "$golden/vilt_mlm" x --names mine
fails 2 "the authors' names are written into one file, NAME.safetensors" convert "$golden/vilt_mlm" x --names authors
fails 2 "--attention-heads" convert "$golden/torch_files/official.ckpt" x
fails 2 "labels are given, but the model has no classifier" convert "$golden/vilt_mlm" x --labels "$golden/README.md"
[[ ! -e x && ! -e x.partial ]]
report $? "nothing is left of a conversion that failed"

# A model that does not fit: what differs, or what fits with --partial.
cp -r "$golden/vilt_mlm" wrong && chmod -R u+w wrong
sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 3/; s/"max_position_embeddings": 16/"max_position_embeddings": 20/' wrong/config.json
fails 2 "16 are missing, all 'vilt.encoder.layer.2.…'; 1 has another shape" convert wrong x
grep -qF "text_embeddings.position_embeddings.weight is [16, 32], expected [20, 32]" stderr && grep -qF "nothing was loaded" stderr
report $? "with both shapes"
grep -qF "missing: vilt.encoder.layer.2.attention.attention.key.bias, expected [32]" stderr && [[ $(wc -l <stderr) -eq 13 ]]
report $? "the pattern, and ten names"
succeeds "--partial loads the rest" "not loaded: … and 7 more" convert wrong x --partial

# The goldens' configuration lies in an object of theirs.
sizes_of() {
  sed -n '/^ "config": {/,/^ }/p' "$golden/$1/config.json" | sed '1s/.*/{/; $s/.*/}/'
}
sizes_of uniter_mlm >uniter.json
sizes_of vilbert_vqa >vilbert.json
succeeds "UNITER's weights become a folder" "uniter: UNITER, 47 parameters, f32" \
  convert "$golden/uniter_mlm/model.safetensors" uniter --config uniter.json
succeeds "which is read as it is" "again-uniter: UNITER, 47 parameters" convert uniter again-uniter
cmp -s uniter/model.safetensors again-uniter/model.safetensors
report $? "nothing was lost on the way"
succeeds "what it holds is told" "heads: masked words" info uniter
succeeds "ViLBERT's weights become a folder" "vilbert: ViLBERT, " \
  convert "$golden/vilbert_vqa/model.safetensors" vilbert --config vilbert.json
succeeds "what it holds is told" "heads: answers" info vilbert --tensors
grep -qF "bert.encoder.c_layer.0.biattention.query1.weight f32 " stdout
report $? "with its tensors by their published names"
fails 2 "do not belong together" convert "$golden/uniter_mlm" x
fails 2 "--names authors is for ViLT and CLIP" convert uniter y.safetensors --names authors
fails 2 "--attention-heads and --partial are for ViLT" convert uniter x --partial
