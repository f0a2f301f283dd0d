#include "sequence/growth.h"

int growth_record(struct journal *journal, const char *step, const char *when, const struct sizes *sizes,
                  struct error *error)
{
    if (sizes->tables == NULL) {
        return 0;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    if (step != NULL) {
        yyjson_mut_obj_add_str(document, fields, "step", step);
    }
    yyjson_mut_obj_add_str(document, fields, "when", when);
    sizes_to_json(sizes, document, fields);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(journal, "sizes", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}
