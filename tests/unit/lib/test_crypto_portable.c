/* lib/crypto on a processor that has nothing special. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gcrypt.h>

#include "lib/vectors.h"

int main(void)
{
    if (gcry_control(GCRYCTL_DISABLE_HWF, "all", NULL) != 0) {
        return 1;
    }
    int result = vectors_run("crypto, portable");
    char *features = gcry_get_config(0, "hwflist");
    if (features == NULL || strspn(features, "hwflist:\n") != strlen(features)) {
        print_error("not portable: %s\n", features == NULL ? "(unknown)" : features);
        result = 1;
    }
    gcry_free(features);
    return result;
}
