#include "tasks/generation/search.h"

#include "tasks/generation/beam_search.h"
#include "tasks/generation/token_search.h"

namespace clip_blip {

std::unique_ptr<Search> MakeSearch(const std::vector<Prompt>& prompts,
                                   const GenerationSettings& options, c10::Device device) {
  if (options.num_beams > 1) return std::make_unique<BeamSearch>(prompts, options, device);
  return std::make_unique<TokenSearch>(prompts, options, device);
}

}  // namespace clip_blip
