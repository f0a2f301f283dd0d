/*
 * step_fence.c - from here to release the application and its database do not start by themselves.
 */
#include "sequence/steps.h"

static void add_list(yyjson_mut_doc *document, yyjson_mut_val *fields, const char *key, const struct strings *texts)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, fields, key);
    for (size_t i = 0; i < texts->count; i++) {
        yyjson_mut_arr_add_str(document, list, texts->items[i]);
    }
}

/* findings: what starts the application and is not fenced; the job has accepted it. */
static int record_fence(const struct site *site, const struct fence *fence, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    add_list(document, fields, "units", &fence->units);
    add_list(document, fields, "findings", &fence->findings);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(site->place.journal, "fence", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

int step_fence(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct fence fence = {0};
    int result = services_fence(&fence, &run->target, NULL, error);
    for (size_t i = 0; result == 0 && i < fence.count; i++) {
        result = deed_fence(&site->place, &fence.items[i], error);
    }
    if (result == 0) {
        result = record_fence(site, &fence, error);
        buffer_format(detail, "%zu units stay down until release", fence.units.count);
    }
    fence_free(&fence);
    return result;
}
