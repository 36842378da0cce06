/*
 * What ps(1) shows: "ballast: worker 1 gen 3".
 */
#ifndef BALLAST_MASTER_TITLE_H
#define BALLAST_MASTER_TITLE_H

void title_set(const char *title);
/* The arguments as they were before any title, for who starts the program once more; NULL without memory. */
char *const *title_arguments(void);

#endif
