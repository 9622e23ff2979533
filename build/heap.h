/* Memory for CPython, in place of malloc(3): build/heap.c. */

#include <stddef.h>

#define PAGE 4096

extern int is_making;   /* an image: docs/internals/startup.md */
extern char *heap_used; /* its end */

/* What plugin runs use, by the ordinals of allocations: it is put together in groups. build/uses.py writes this. */
#define GROUPS 2 /* what runs write to, and what they only read */
struct together {
    unsigned sizes[GROUPS]; /* with headers */
    unsigned count;         /* of ordinals */
    unsigned char groups[]; /* of each ordinal, counted from 1; 0 where runs do not use it */
};

void put_together(const struct together *these);

void *take_arena(void *context, size_t size);
void give_arena(void *context, void *memory, size_t size);
