// Graphs: what a capture recorded, as a number of nodes.

#include <string>

#include "control.h"
#include "event_log.h"
#include "runtime.h"

using namespace standin;

namespace {

Graph* Of(cudaGraph_t graph) { return reinterpret_cast<Graph*>(graph); }
Graph* Of(cudaGraphExec_t graph) { return reinterpret_cast<Graph*>(graph); }

}  // namespace

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = static_cast<size_t>(Of(graph)->nodes);
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t, cudaGraphNode_t*, cudaGraphEdgeData*,
                                         size_t* count) {
  *count = 0;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t graph,
                                          unsigned long long) {
  *made = nullptr;
  if (cudaError_t error = LostDevice(Of(graph)->device)) return error;
  bool fails = TakeOne(Slot::fail_instantiations);
  Log("INSTANTIATE", {.device = Of(graph)->device, .what = fails ? "failed" : ""});
  if (fails) return Fail(cudaErrorMemoryAllocation);
  *made = reinterpret_cast<cudaGraphExec_t>(new Graph(*Of(graph)));
  Add(Slot::graphs_alive);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  const Graph& launched = *Of(graph);
  if (cudaError_t error = WorkError(launched.device)) return error;
  Add(Slot::graph_launches);
  Add(Slot::graph_nodes_launched, launched.nodes);
  if (Logging()) {
    std::string what = std::to_string(launched.nodes) + " nodes";
    Log("REPLAY", {.device = launched.device, .stream = NumberOf(stream), .what = what});
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete Of(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  Log("DESTROY", {.device = Of(graph)->device});
  delete Of(graph);
  Add(Slot::graphs_alive, -1);
  return cudaSuccess;
}
