#include "tasks/generation/recorded_steps.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <utility>

#include "device/failure.h"
#include "device/transfer.h"
#include "tasks/generation/decoder.h"

namespace clip_blip {
namespace {

/// Lanes that are recorded for so many pictures: powers of two and what lies halfway between them.
int64_t LanesFor(int64_t pictures) {
  int64_t lanes = 1;
  while (lanes < pictures) lanes *= 2;
  return lanes >= 8 && pictures <= lanes / 4 * 3 ? lanes / 4 * 3 : lanes;
}

/// Lanes from which on fewer are no faster: a step is then as long as its kernels are many.
constexpr int64_t kMinLanes = 4;

void Append(std::vector<int64_t>& key, const std::vector<int64_t>& numbers) {
  key.insert(key.end(), numbers.begin(), numbers.end());
}

/// All that decides what a step does, but for what lies on the device.
std::vector<int64_t> KeyOf(const GenerationSettings& options) {
  auto bits = [](double number) { return std::bit_cast<int64_t>(number); };
  std::vector<int64_t> key{options.end_token,
                           options.pad_token,
                           options.num_beams,
                           options.num_return_sequences,
                           bits(options.length_penalty),
                           static_cast<int64_t>(options.early_stopping),
                           bits(options.repetition_penalty),
                           options.no_repeat_ngram_size,
                           options.do_sample,
                           bits(options.temperature),
                           options.top_k,
                           bits(options.top_p)};
  for (const std::vector<int32_t>& word : options.bad_words) {
    key.push_back(static_cast<int64_t>(word.size()));
    key.insert(key.end(), word.begin(), word.end());
  }
  return key;
}

/// Bytes of the keys and values, and of the states that they come from.
int64_t BytesOf(const LoadedModule& module, const at::Tensor& states,
                const std::vector<int64_t>& cache, int64_t lanes) {
  int64_t cross = 2 * cache[0] * cache[2] * cache[4] * lanes * states.size(1);
  int64_t numbers =
      2 * c10::multiply_integers(cache) + cross + lanes * states.size(1) * states.size(2);
  return numbers * states.element_size();
}

/// Advances a search whose tensors stay where they are.
std::optional<at::Tensor> AdvanceInPlace(Search& search, const at::Tensor& scores, int64_t length) {
  std::vector<at::Tensor> places;
  for (at::Tensor* tensor : search.State()) places.push_back(*tensor);
  std::optional<at::Tensor> parents = search.Advance(scores, length);
  auto place = places.begin();
  for (at::Tensor* tensor : search.State()) {
    if (!tensor->is_same(*place)) {
      place->copy_(*tensor);
      *tensor = *place;
    }
    ++place;
  }
  return parents;
}

void CopyState(Search& from, Search& to) {
  std::vector<at::Tensor*> source = from.State();
  auto next = source.begin();
  for (at::Tensor* target : to.State()) target->copy_(**next++);
}

}  // namespace

std::optional<RecordedSteps> RecordedSteps::Find(const LoadedModule& module,
                                                 const at::Tensor& states,
                                                 const std::vector<Prompt>& prompts,
                                                 const GenerationSettings& options) {
  int64_t lanes = LanesFor(states.size(0));
  int64_t texts = std::max(options.num_beams, options.num_return_sequences);
  std::vector<int64_t> kind{lanes, states.size(1)}, bounds = Prompts::BoundsOf(prompts);
  Append(kind, bounds);
  Append(kind, KeyOf(options));
  // The last token of a text is never read.
  std::vector<int64_t> cache = CacheShape(module, lanes * texts, bounds.back() - 1);
  GraphCache& graphs = module.graphs();
  GraphPlace* place = graphs.PlaceFor(kind, BytesOf(module, states, cache, lanes));
  if (place == nullptr) return std::nullopt;

  std::vector<Prompt> filled_up = prompts;
  filled_up.resize(static_cast<size_t>(lanes), prompts.back());
  std::unique_ptr<Search> search = MakeSearch(filled_up, options, module.device());
  if (place->owner == nullptr) {
    std::optional<Failure> failure = Attempt([&] {
      graphs.Allocate([&] {
        for (at::Tensor* tensor : search->State()) *tensor = tensor->clone();
        place->tensors = {at::zeros(cache, states.options()), at::zeros(cache, states.options())};
      });
    });
    if (failure) {
      // The texts can be written without.
      graphs.Release();
      if (failure->code() == ErrorCode::kDeviceLost) throw *failure;
      return std::nullopt;
    }
    auto searches = std::make_shared<Searches>();
    searches->emplace(lanes, std::move(search));
    place->owner = std::move(searches);
  } else {
    CopyState(*search, *static_cast<Searches*>(place->owner.get())->at(lanes));
  }
  RecordedSteps steps(module, *place, prompts, options);
  steps.Project(states);
  return steps;
}

/// What everything that is written looks at.
void RecordedSteps::Project(const at::Tensor& states) {
  int64_t pictures = states.size(0), filling = search_->lanes() - pictures;
  auto fill = [&](const at::Tensor& target) {
    target.narrow(0, 0, pictures).copy_(states);
    if (filling > 0) target.narrow(0, pictures, filling).copy_(states.narrow(0, pictures - 1, 1));
  };
  // Without `this`: what is recorded outlives the call.
  auto work = [module = module_](const at::Tensor& input) {
    std::array<at::Tensor, 2> cross = clip_blip::Project(*module, input);
    return std::vector<at::Tensor>{cross[0], cross[1]};
  };
  GraphInput input{
      {search_->lanes(), states.size(1), states.size(2)}, states.options(), std::move(fill)};
  std::vector<at::Tensor> cross = module_->graphs().RunOn(*place_, "project", {}, input, work);
  std::vector<at::Tensor>& kept = place_->tensors;
  if (kept.size() == 2) {
    kept.insert(kept.end(), cross.begin(), cross.end());
    return;
  }
  // The steps read them where they were when the steps were recorded.
  for (size_t i = 0; i < 2; ++i) {
    if (!kept[2 + i].is_same(cross[i])) kept[2 + i].copy_(cross[i]);
  }
}

at::Tensor RecordedSteps::Run(int64_t position, int64_t count) {
  int64_t length = position + count;
  std::vector<at::Tensor> caches = Caches();
  auto work = [module = module_, search = search_, read = caches, position, count,
               length](const at::Tensor&) {
    at::Tensor scores = Decode(*module, search->Tokens(position, count), position, read);
    std::optional<at::Tensor> parents = AdvanceInPlace(*search, scores, length);
    if (parents) {
      ReorderCache(read[0], *parents, length);
      ReorderCache(read[1], *parents, length);
    }
    return std::vector<at::Tensor>{search->Done()};
  };
  // Run again, a step would begin with what it has written.
  auto remember = [this, caches, length]() -> std::function<void()> {
    std::vector<std::pair<at::Tensor, at::Tensor>> kept;
    for (at::Tensor* tensor : search_->State()) kept.emplace_back(*tensor, tensor->clone());
    for (size_t i = 0; i < 2; ++i) {
      at::Tensor read = caches[i].narrow(3, 0, length);
      kept.emplace_back(read, read.clone());
    }
    return [kept] {
      for (const auto& [tensor, before] : kept) tensor.copy_(before);
    };
  };
  return module_->graphs().RunOn(*place_, "step", {count, position, search_->lanes()},
                                 GraphInput::None(), work, remember)[0];
}

std::vector<at::Tensor> RecordedSteps::Caches() const {
  int64_t lanes = search_->lanes(), rows = lanes * search_->texts();
  const std::vector<at::Tensor>& all = place_->tensors;
  return {all[0].narrow(1, 0, rows), all[1].narrow(1, 0, rows), all[2].narrow(1, 0, lanes),
          all[3].narrow(1, 0, lanes)};
}

int64_t RecordedSteps::FewerLanes(size_t kept) const {
  int64_t least = std::max(static_cast<int64_t>(kept), kMinLanes), lanes = search_->lanes();
  while (lanes % 2 == 0 && lanes / 2 >= least) lanes /= 2;
  return lanes;
}

void RecordedSteps::Keep(const std::vector<int64_t>& kept, int64_t lanes, int64_t length) {
  std::vector<int64_t> order(static_cast<size_t>(lanes));
  std::iota(order.begin(), order.end(), 0);
  std::copy(kept.begin(), kept.end(), order.begin());
  int64_t texts = search_->texts();
  for (size_t i = 0; i < 2; ++i) {
    MoveLanes(place_->tensors[i].narrow(3, 0, length), 1, texts, order);
    MoveLanes(place_->tensors[2 + i], 1, 1, order);
  }
  at::Tensor indices =
      Upload(at::tensor(order, at::TensorOptions().dtype(at::kLong)), module_->device());
  Search& fewer = SearchOf(lanes);
  std::vector<at::Tensor*> source = search_->State();
  auto next = source.begin();
  for (at::Tensor* target : fewer.State()) {
    const at::Tensor& from = **next++;
    if (from.sizes() != target->sizes()) target->copy_(from.index_select(0, indices));
  }
  search_ = &fewer;
}

/// One that works on the first lanes of the search of all.
Search& RecordedSteps::SearchOf(int64_t lanes) {
  auto found = searches_->find(lanes);
  if (found != searches_->end()) return *found->second;
  std::unique_ptr<Search> made =
      MakeSearch(Prompts::SomeOf(*prompts_, lanes), *options_, module_->device());
  std::vector<at::Tensor*> all = searches_->rbegin()->second->State();
  auto next = all.begin();
  for (at::Tensor* tensor : made->State()) {
    const at::Tensor& whole = **next++;
    *tensor = whole.sizes() == tensor->sizes() ? whole : whole.narrow(0, 0, lanes);
  }
  return *searches_->emplace(lanes, std::move(made)).first->second;
}

}  // namespace clip_blip
