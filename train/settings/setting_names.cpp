#include "train/settings/setting_names.h"

#include <algorithm>
#include <cctype>

namespace tessera {
namespace {

// Names that other programs have, as `plain` writes them.
struct OtherName {
  const char* words;  // between blanks
  const char* setting;
  const char* remark = "";
};
const OtherName kOtherNames[] = {
    {" annotation annotationfile annotationsfile siblings ", "data.annotations"},
    {" caption captionsfile captionfile datasetfile dataset trainfile ", "data.captions"},
    {" image imagefolder imagedir imagesdir imageroot imgdir imgfolder dataroot ", "data.images"},
    {" vocab vocabfile vocabularyfile vocabsize tokenizer ", "data.vocabulary", "the file's tokens are counted"},
    {" shuffle shuffle shufflesize shufflebuffersize buffersize ", "data.shuffle_buffer", "captions of tar shards"},
    {" cache cachesize cachebytes ", "data.cache_bytes"},
    {" numworkers loaderworkers dataloadernumworkers nworkers ", "data.workers"},
    {" prefetchfactor queue ", "data.prefetch"},
    {" valsplit evalsplit devsplit ", "data.validation_split"},
    {" valcaptions valfile validationfile valdata evalfile devfile ", "data.validation_captions"},
    {" testfile testdata ", "data.test_captions"},
    {" layout format captionsformat datasetformat ", "data.kind"},
    {" imgsize inputsize resolution imageresolution shorteredge size ", "image.shorter"},
    {" augmentation augmentations randaugment randaug ", "image.augment"},
    {" exif orientation ", "image.respect_orientation"},
    {" maximagelen maximagelength ", "image.max_patches"},
    {" hidden dim dmodel width embeddim embedsize hiddendim hiddenwidth ", "model.hidden_size"},
    {" layers depth numlayers nlayers nlayer numblocks blocks ", "model.num_hidden_layers"},
    {" heads numheads nheads nhead attentionheads ", "model.num_attention_heads"},
    {" mlp mlpdim mlpratio ffn ffndim dff feedforward intermediate ", "model.intermediate_size"},
    {" patch patchdim ", "model.patch_size"},
    {" maxlength maxlen maxtextlen maxtextlength maxseqlen maxseqlength seqlen sequencelength maxtokens ",
     "model.max_position_embeddings"},
    {" dropout droprate dropoutrate dropoutprob attentiondropout ", "model.hidden_dropout_prob"},
    {" tieweights tieembeddings tied ", "model.tie_word_embeddings"},
    {" initializerrange initstd ", "init.std"},
    {" mlm mlmlossweight mlmloss ", "objectives.mlm_weight"},
    {" itm itmlossweight itmloss ", "objectives.itm_weight"},
    {" wpa ot otweight ipot wpaloss ", "objectives.wpa_weight"},
    {" mpp mppweight mpploss mim ", "objectives.mpp_weight"},
    {" maskprob maskprobability mlmprob mlmprobability maskratio ", "objectives.mask_rate"},
    {" wholewordmasking ", "objectives.masking"},
    {" lr baselr maxlr peaklr lrate learnrate ", "optimizer.learning_rate"},
    {" minlr endlr finallr etamin ", "optimizer.end_learning_rate"},
    {" lrmult headlr headlrmult lrmulthead ", "optimizer.head_factor"},
    {" wd decay l2 l2reg regularization ", "optimizer.weight_decay"},
    {" warmupsteps warmupratio warmupproportion warmupfraction numwarmupsteps warmupepochs warmupiters ",
     "optimizer.warmup", "a share of the steps, 0 to 1"},
    {" betas adambeta1 momentum ", "optimizer.beta1"},
    {" adambeta2 ", "optimizer.beta2"},
    {" epsilon adamepsilon adameps ", "optimizer.eps"},
    {" clipnorm gradclip gradientclip gradclipnorm gradnorm maxgradnorm maxnorm gradientclipping gradientclipval "
     "clipgradnorm "
     "clipgrad ",
     "optimizer.clip"},
    {" decaypower lrpower ", "optimizer.power"},
    {" optimizer optim optimizertype ", "optimizer.variant"},
    {" epoch epochs numepochs nepochs numtrainepochs maxepochs ", "train.epochs",
     "of fine-tuning; in pre-training train.steps × train.batch_size is the number of pairs that are seen"},
    {" initfrom loadpath pretrained pretrainedmodel checkpoint initcheckpoint finetune finetunefrom weights loadfrom "
     "modelpath ",
     "train.init_from"},
    {" step maxsteps numsteps totalsteps trainsteps nsteps iterations iters maxiters iter numiters ", "train.steps"},
    {" batch bs batchsize minibatch globalbatchsize trainbatchsize perdevicetrainbatchsize perdevicebatchsize ",
     "train.batch_size"},
    {" accumulation accumulationsteps gradaccum gradaccumulation gradaccumsteps gradientaccumulation "
     "gradientaccumulationsteps accumulategradbatches accumsteps accum microbatches ",
     "train.accumulate"},
    {" amp fp16 bf16 fp32 tf32 mixedprecision dtype halfprecision ", "train.precision"},
    {" gradientcheckpointing activationcheckpointing checkpointing recompute ", "train.checkpoint_blocks"},
    {" randomseed rngseed manualseed ", "train.seed"},
    {" logsteps loggingsteps loginterval logfreq printfreq logevery ", "train.log_every"},
    {" evalevery evalsteps evalinterval valevery valcheckinterval evalfreq ", "train.evaluate_every"},
    {" saveevery savesteps saveinterval savefreq checkpointsteps checkpointinterval ", "train.checkpoint_every"},
    {" evalsamples maxevalsamples valsamples ", "train.evaluate_samples"},
    {" gpu gpus cuda accelerator numgpus ", "train.device"},
    {" numthreads nthreads ompnumthreads cores ", "train.threads"},
    {" output outputdir outputfolder outdir savedir logdir workdir rundir checkpointdir dir folder ", "train.out"},
    {" name runname expname experiment experimentname ", "train.title"},
};

// Lower case without what different habits put between words: learningRate, learning-rate, learning_rate.
std::string plain(const std::string& name) {
  std::string out;
  for (const char c : name)
    if (c != '_' && c != '-' && c != ' ') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// Levenshtein's.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

// The name with the least distance; the first of several.
template <class Distance>
std::string nearest(const std::vector<std::string>& names, Distance distance) {
  return *std::min_element(names.begin(), names.end(),
                           [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
}

}  // namespace

NearestSetting nearest_setting(const std::string& key, const std::vector<std::string>& names) {
  const std::string word = plain(last_part(key));
  std::vector<std::string> same;
  for (const std::string& name : names)
    if (plain(last_part(name)) == word) same.push_back(name);
  if (!same.empty()) return {nearest(same, [&](const std::string& name) { return distance(name, key); }), ""};
  for (const OtherName& other : kOtherNames)
    if (!word.empty() && std::string(other.words).find(" " + word + " ") != std::string::npos)
      return {other.setting, other.remark};
  // A key given without its section is compared with the last part, too.
  return {
      nearest(names,
              [&](const std::string& name) { return std::min(distance(name, key), distance(last_part(name), key)); }),
      ""};
}

}  // namespace tessera
