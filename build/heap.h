/* Memory for CPython, in place of malloc(3): build/heap.c. */

#include <stddef.h>

#define PAGE 4096

extern int is_making;   /* an image: docs/internals/startup.md */
extern char *heap_used; /* its end */

/* What plugin runs write to, by the ordinals of allocations: it is put together. build/writes.py writes it. */
struct together {
    unsigned size;  /* of it all, with headers */
    unsigned bytes; /* of the bits, one for each ordinal */
    unsigned char bits[];
};

void put_together(const struct together *these);

void *take_arena(void *context, size_t size);
void give_arena(void *context, void *memory, size_t size);
