#include "tasks/generation/write_texts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "device/failure.h"
#include "device/transfer.h"
#include "tasks/generation/decoder.h"
#include "tasks/generation/recorded_steps.h"
#include "tasks/generation/search.h"
#include "tasks/generation/stop_check.h"
#include "tasks/texts.h"

namespace clip_blip {
namespace {

/// Each text up to the first end token after its prompt, or to its greatest length. `best`: as
/// Search::Best() gives them, for more lanes than prompts, perhaps.
GenerationResult ToResult(const std::pair<at::Tensor, at::Tensor>& best,
                          const std::vector<Prompt>& prompts, int64_t end_token) {
  std::vector<at::Tensor> host = Download({best.first, best.second});
  auto texts = host[0].accessor<int64_t, 3>();
  auto scores = host[1].accessor<float, 2>();
  GenerationResult result;
  for (size_t picture = 0; picture < prompts.size(); ++picture) {
    const Prompt& prompt = prompts[picture];
    auto row = static_cast<int64_t>(picture);
    for (int64_t i = 0; i < texts.size(1); ++i) {
      const int64_t* begin = texts[row][i].data();
      const int64_t* limit = begin + prompt.max_length;
      const int64_t* end = std::find(begin + prompt.ids.size(), limit, end_token);
      result.sequences.emplace_back(begin, end == limit ? limit : end + 1);
      result.scores.push_back(scores[row][i]);
    }
  }
  return result;
}

/// The best texts of all pictures, put in while lanes come to their end.
class Results {
 public:
  Results(const std::pair<at::Tensor, at::Tensor>& best)
      : texts_(at::empty_like(best.first, at::MemoryFormat::Contiguous)),
        scores_(at::empty_like(best.second, at::MemoryFormat::Contiguous)),
        pictures_(at::arange(texts_.size(0), texts_.options())) {}

  /// Of the first lanes: there may be others behind them that nobody asks for.
  void Put(const std::pair<at::Tensor, at::Tensor>& best) {
    int64_t lanes = pictures_.size(0);
    texts_.index_copy_(0, pictures_, best.first.narrow(0, 0, lanes));
    scores_.index_copy_(0, pictures_, best.second.narrow(0, 0, lanes));
  }

  /// Lane i becomes what lane `order[i]` is.
  void Keep(const at::Tensor& order) { pictures_ = pictures_.index_select(0, order); }

  std::pair<at::Tensor, at::Tensor> all() const { return {texts_, scores_}; }

 private:
  at::Tensor texts_;     // [pictures, k, positions]
  at::Tensor scores_;    // [pictures, k]
  at::Tensor pictures_;  // of each lane, [P]
};

/// The lanes that are not done, brought to the front: the last ones fill the places of those that
/// are, so that as few as possible move.
std::vector<int64_t> LanesToKeep(const std::vector<bool>& done) {
  std::vector<int64_t> kept(static_cast<size_t>(std::count(done.begin(), done.end(), false)));
  int64_t last = static_cast<int64_t>(done.size());
  for (size_t lane = 0; lane < kept.size(); ++lane) {
    if (!done[lane]) {
      kept[lane] = static_cast<int64_t>(lane);
      continue;
    }
    do --last;
    while (done[static_cast<size_t>(last)]);
    kept[lane] = last;
  }
  return kept;
}

bool IsInOrder(const at::Tensor& parents) {
  return at::equal(parents, at::arange(parents.size(0), parents.options()));
}

/// A step reads the keys and values of a lane once; moving another lane into its place reads and
/// writes them once.
constexpr int64_t kStepsThatPayForMove = 2;

void Write(Decoder& decoder, Search& search, Results& results, c10::Device device) {
  StopCheck stop_check(device);
  int64_t position = 0, length = search.shortest_prompt();
  while (true) {
    at::Tensor scores = decoder.Step(search.Tokens(position, length - position), position);
    std::optional<at::Tensor> parents = search.Advance(scores, length);
    position = length++;
    if (length == search.positions()) break;
    std::optional<std::vector<bool>> done = stop_check.Next(search.Done());
    std::vector<int64_t> kept = done ? LanesToKeep(*done) : std::vector<int64_t>();
    if (done && kept.empty()) break;
    // On an accelerator a look at the parents would be a wait.
    if (parents && !(device.is_cpu() && IsInOrder(*parents))) decoder.Reorder(*parents, position);
    bool pays = done && search.positions() - length > kStepsThatPayForMove;
    if (!pays || kept.size() == done->size()) continue;
    results.Put(search.Best());
    at::Tensor order = Upload(at::tensor(kept, at::TensorOptions().dtype(at::kLong)), device);
    results.Keep(order);
    search.Keep(order);
    decoder.Keep(kept);
    stop_check.Forget();
  }
  results.Put(search.Best());
}

/// The same with recorded steps. Gives the best texts of all pictures.
std::pair<at::Tensor, at::Tensor> Write(RecordedSteps& steps, int64_t pictures,
                                        c10::Device device) {
  StopCheck stop_check(device);
  // Of lanes that have left.
  std::optional<Results> results;
  int64_t position = 0, length = steps.search().shortest_prompt();
  while (true) {
    at::Tensor all_done = steps.Run(position, length - position);
    position = length++;
    int64_t left = steps.search().positions() - length;
    if (left == 0) break;
    std::optional<std::vector<bool>> done = stop_check.Next(all_done.narrow(0, 0, pictures));
    std::vector<int64_t> kept = done ? LanesToKeep(*done) : std::vector<int64_t>();
    if (done && kept.empty()) break;
    if (!done || left <= kStepsThatPayForMove) continue;
    int64_t lanes = steps.FewerLanes(kept.size());
    if (lanes == steps.search().lanes()) continue;
    if (!results) results.emplace(steps.search().Best());
    results->Put(steps.search().Best());
    results->Keep(Upload(at::tensor(kept, at::TensorOptions().dtype(at::kLong)), device));
    steps.Keep(kept, lanes, position);
    pictures = static_cast<int64_t>(kept.size());
    stop_check.Forget();
  }
  if (!results) return steps.search().Best();
  results->Put(steps.search().Best());
  return results->all();
}

}  // namespace

void CheckGeneration(const LoadedModule& module, const std::vector<Prompt>& prompts,
                     const GenerationSettings& options) {
  for (const Prompt& prompt : prompts) {
    if (prompt.ids.empty()) throw Failure(ErrorCode::kInvalidArgument, "A prompt has no token");
    if (static_cast<int64_t>(prompt.ids.size()) >= prompt.max_length) {
      throw Failure(ErrorCode::kInvalidArgument,
                    "A prompt of " + std::to_string(prompt.ids.size()) +
                        " tokens leaves no room below a maximum length of " +
                        std::to_string(prompt.max_length));
    }
    CheckTokenIds(module, prompt.ids);
  }
  for (const std::vector<int32_t>& word : options.bad_words) {
    if (word.empty()) throw Failure(ErrorCode::kInvalidArgument, "A bad word has no token");
    CheckTokenIds(module, word);
  }
  CheckTokenIds(module, {static_cast<int32_t>(options.end_token)});
  bool several = options.num_beams > 1 || options.do_sample;
  if (options.num_return_sequences > 1 && !several) {
    throw Failure(ErrorCode::kInvalidArgument, "Greedy search gives one text for each picture");
  }
  if (options.num_beams > 1 && options.num_return_sequences > options.num_beams) {
    throw Failure(ErrorCode::kInvalidArgument, "There are fewer beams than texts to return");
  }
}

void AddShape(const std::vector<Prompt>& prompts, const GenerationSettings& options,
              std::vector<int64_t>& shape) {
  int64_t positions = 0;
  for (const Prompt& prompt : prompts) positions = std::max(positions, prompt.max_length);
  shape.push_back(positions);
  shape.push_back(std::max(options.num_beams, options.num_return_sequences));
}

GenerationResult WriteTexts(const LoadedModule& module, at::Tensor states,
                            std::optional<at::Tensor> mask, const std::vector<Prompt>& prompts,
                            const GenerationSettings& options) {
  c10::Device device = module.device();
  if (!mask) {
    if (auto steps = RecordedSteps::Find(module, states, prompts, options)) {
      return ToResult(Write(*steps, states.size(0), device), prompts, options.end_token);
    }
  }
  std::unique_ptr<Search> search = MakeSearch(prompts, options, device);
  // The last token of a text is never read.
  Decoder decoder(module, states, std::move(mask), search->texts(), search->positions() - 1);
  states.reset();
  Results results(search->Best());
  Write(decoder, *search, results, device);
  return ToResult(results.all(), prompts, options.end_token);
}

}  // namespace clip_blip
