// Front door of one token of a Titans memory.
#include "titans_step_layout.h"
#include "front/titans.h"
#include "library.h"

using namespace memgen;

extern "C" {

int64_t memgen_titans_step_workspace_size(const memgen_titans_step_args* a) {
    return titans_step_sizes(__func__, a).ok() ? ScratchSize{0, measure<TitansStepScratch>(*a)}.total() : -1;
}

memgen_status memgen_titans_step(const memgen_titans_step_args* a, void* workspace, size_t bytes, void*) {
    Check check = titans_step_arguments(__func__, a);
    return check.ok() ? run(check, a, workspace, bytes, {0, measure<TitansStepScratch>(*a)}, &Kernels::titans_step) : check.status();
}
}
