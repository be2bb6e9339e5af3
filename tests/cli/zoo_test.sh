#!/usr/bin/env bash
# `vilt zoo`: the table, the file of figures, the page, and what is refused.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# has FILE TEXT...: the file has each text.
has() {
  local file=$1 text
  shift
  for text in "$@"; do
    grep -qF -- "$text" "$file" || { echo "no '$text' in $file" >>output; return 1; }
  done
}

succeeds "all systems" "page: zoo.html" zoo --quick --repeat 1 --json zoo.json --html zoo.html
has stdout "VSE++ (ResNet-152, GRU)" "CLIP (ViT-B/32)" "CLIP (RN50)" "UNITER-base, 36 regions" "UNITER-base, 100 regions" \
  "ViLBERT, 36 regions" "Pixel-BERT (ResNet-50)" "ViLT-B/32" "picture: RoI head" "picture: NMS of 20 classes" "figures: zoo.json" \
  "fusion: two streams" "text: words and GRU" "published: about 900 ms (75 backbone, 810 RPN, NMS and RoI head, 15 fusion)" "the same regions."
report $? "... are in the table, in parts, beside the paper"
[[ $(awk '{ if (length > most) most = length } END { print most }' stdout) -le 110 && ! -s stderr ]] && ! grep -q ' $' stdout
report $? "... of no more than 110 columns"
[[ $(grep -c '"class":' zoo.json) -eq 8 && $(grep -c '"role": "fusion"' zoo.json) -eq 8 && $(grep -c '"precision": "bf16"' zoo.json) -eq $(($(grep -c '"precision": "highest"' zoo.json))) ]] &&
  has zoo.json '"definition": "A multiply-add of a matrix product or a convolution counts as 1' '"multiply_adds":' '"parameters_without_text":' \
    '"runs": 1' '"in_f32": false' '"published": null' '"gflops": 949.9' '"suppression": {' '"equal": true' '"quick": true' '"batch": 8'
report $? "... and in the file, in both precisions"
has zoo.html '<h2>Figure 2, redrawn</h2>' '<h2>Table 6, redrawn</h2>' 'vilt zoo --batch 1,8 --precision highest,bf16 --repeat 1 --quick --html zoo.html' \
  '<svg class="plot bars"' 'Tiny systems' 'the same regions' && ! grep -qE '(src|href)="[^#d]' zoo.html
report $? "... and on the page, which needs no other file"
if command -v xmllint >/dev/null; then
  xmllint --html --noout zoo.html 2>errors
  ! grep -av 'Tag \(svg\|path\|rect\|g\|text\|title\|figure\|figcaption\|nav\|main\|header\|footer\|section\|details\|summary\) invalid' errors | grep -aq 'error :'
  report $? "... whose elements are closed"
fi

succeeds "an earlier page is replaced" "page: zoo.html" zoo --quick --systems vilt --batch 2 --precision high --repeat 1 --html zoo.html
! has zoo.html "UNITER" && has zoo.html "ViLT-B/32" "high, batch 2"
report $? "... by the new one"
! has stdout "* in f32" "UNITER"
report $? "... of the one system that was named"
succeeds "another size" "64 x 160; tokens 11 + 5" zoo --quick --systems vilt --size 64x160 --batch 1 --precision highest --repeat 1
succeeds "CLIP's pictures have theirs" "64 x 64; tokens 5 + 12" zoo --quick --systems clip-b32 --size 96x96 --batch 1 --precision highest --repeat 1
succeeds "the processor's time" "Milliseconds of the processor" zoo --quick --systems vse --processor-time --batch 1 --repeat 1

mkdir -p runs/clip runs/vilt runs/bad runs/worse runs/none
echo '{"task":"clip","test":{"matching random (ranked)":0.98,"matching sibling (ranked)":0.61},"train_seconds":200,"steps":9,"parameters":1234}' \
  >runs/clip/summary.json
echo '{"test":{"itm_accuracy_random":0.99,"itm_accuracy_hard":0.91,"mlm_accuracy_content":0.95},"train_seconds":301.5,"parameters":99000}' \
  >runs/vilt/summary.json
echo '[]' >runs/bad/summary.json
echo '{"train_seconds":-1,"parameters":2}' >runs/worse/summary.json
succeeds "finished runs" "clip: clip" zoo --quick --systems vse --batch 1 --repeat 1 --html zoo.html --json runs.json --runs runs/clip runs/vilt/
grep -qE 'clip: clip +1.2 K +200 +0.980 +0.610 +-$' stdout && grep -qE 'vilt: vilt +99.0 K +302 +0.990 +0.910 +0.950$' stdout &&
  has runs.json '"matching_sibling": 0.61' '"masked_words": null' && has zoo.html '<h2>Accuracy against time</h2>' '91.0' '--runs runs/clip runs/vilt/'
report $? "... with what they have learnt, and when"
fails 2 "runs/none: no finished run (there is no summary.json)" zoo --quick --runs runs/none
fails 2 "runs/bad/summary.json: not a JSON object" zoo --quick --runs runs/bad
fails 2 "runs/worse/summary.json: 'train_seconds' is no number from 0 on" zoo --quick --runs runs/clip runs/worse

echo "my notes" >notes.html && cp notes.html notes.json
fails 2 "notes.json: exists already" zoo --quick --systems vilt --repeat 1 --json notes.json
fails 2 "notes.html: exists already" zoo --quick --systems vilt --repeat 1 --html notes.html
[[ $(cat notes.html) == "my notes" && $(cat notes.json) == "my notes" ]]
report $? "... which stay as they were"
succeeds "--force replaces them" "page: notes.html" zoo --quick --systems vilt --repeat 1 --json notes.json --html notes.html --force
fails 2 "--systems: there is no system 'albef'; there are vse, clip-b32, clip-rn50, uniter-36, uniter-100, vilbert, pixelbert, vilt" \
  zoo --quick --systems vilt,albef
fails 2 "--systems: vse is named twice" zoo --quick --systems vse,vse
fails 2 "--batch is 0, expected 1 to 64 pairs" zoo --quick --batch 0
fails 2 "--batch is 65, expected 1 to 64 pairs" zoo --quick --batch 1,65
fails 2 "--batch: 2 is named twice" zoo --quick --batch 2,2
fails 2 "precision" zoo --quick --precision f16
fails 2 "--precision: tf32 is for a GPU" zoo --quick --precision tf32
fails 2 "--precision: bf16 is named twice" zoo --quick --precision bf16,bf16
fails 2 "--repeat is 0, expected at least 1" zoo --quick --repeat 0
fails 2 "whole number" zoo --quick --repeat -1
for size in 100 31x64 64x5000 64y64 64x64x3 ax64; do
  fails 2 "--size is '$size', expected HEIGHTxWIDTH of 32 to 4096 pixels, such as 384x640" zoo --quick --size "$size"
done
fails 2 "pixelbert: a picture of 32 x 32 leaves no cell of the grid" zoo --quick --systems pixelbert --size 32x32 --repeat 1
call zoo --quick --systems vilt --repeat 1 --html none/page.html
[[ $status -ne 0 && ! -e none ]] && grep -q '^vilt: ' stderr
report $? "a folder that is not there is an error"

source "$root/tests/cli/chromium.sh"
if chromium_or_skip "the page in a browser"; then
  call zoo --quick --repeat 1 --html "$work/page.html"
  phone_page page.html 360 >"$work/phone.html"
  for page in page phone; do
    open_page "$work/$page.html" && [[ ! -s $work/console && $(attribute data-overflow) == 0 ]]
    verdict $? "$page.html: nothing in the console, nothing sticks out at the side"
  done
fi
