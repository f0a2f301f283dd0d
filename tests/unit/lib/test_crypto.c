/* lib/crypto with what the processor has. */
#include "lib/vectors.h"

int main(void)
{
    return vectors_run("crypto");
}
