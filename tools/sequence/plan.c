#include "sequence/plan.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {[PLAN_EXCHANGE] = "exchange", [PLAN_MOVE] = "move"};

int plan_add(struct plan *plan, enum plan_kind kind, const char *path, const char *other, struct error *error)
{
    struct plan_pair *grown = realloc(plan->items, (plan->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the plan of the switch");
    }
    plan->items = grown;
    struct plan_pair *pair = &plan->items[plan->count];
    *pair = (struct plan_pair){kind, strdup(path), strdup(other)};
    plan->count++;
    return pair->path == NULL || pair->other == NULL
               ? error_set(error, CSN_MEMORY, "no memory for the plan of the switch")
               : 0;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->items[i].path);
        free(plan->items[i].other);
    }
    free(plan->items);
    *plan = (struct plan){0};
}

int plan_record(const struct plan *plan, struct journal *journal, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_val *pairs = yyjson_mut_obj_add_arr(document, fields, "pairs");
    for (size_t i = 0; i < plan->count; i++) {
        yyjson_mut_val *pair = yyjson_mut_arr_add_obj(document, pairs);
        yyjson_mut_obj_add_str(document, pair, "deed", kinds[plan->items[i].kind]);
        yyjson_mut_obj_add_str(document, pair, "path", plan->items[i].path);
        yyjson_mut_obj_add_str(document, pair, "other", plan->items[i].other);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(journal, "plan", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

int plan_read(struct plan *plan, const struct journal *journal, struct error *error)
{
    for (size_t i = journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(journal, i - 1);
        if (!journal_is(record, "plan")) {
            continue;
        }
        size_t k;
        size_t count;
        yyjson_val *pair;
        yyjson_arr_foreach(yyjson_obj_get(record, "pairs"), k, count, pair)
        {
            enum plan_kind kind = strcmp(journal_get(pair, "deed"), "move") == 0 ? PLAN_MOVE : PLAN_EXCHANGE;
            if (plan_add(plan, kind, journal_get(pair, "path"), journal_get(pair, "other"), error) != 0) {
                return -1;
            }
        }
        return 0;
    }
    return error_set(error, CSN_JOURNAL_BROKEN, "the journal holds no plan of what to switch");
}
