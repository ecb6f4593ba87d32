#ifndef WSGI_HEIRS_H
#define WSGI_HEIRS_H

/**
 * Processes that application code forks inherit every descriptor of their worker, and may outlive it. They do not get
 * the listener, on which connections would wait that nobody accepts, nor the line to the keeper, which would
 * not see that the worker is gone.
 * @param listener, keeper closed in every process that this one forks from now on, for the life of the process
 * @return 0, or an error number
 */
int wsgi_heirs_get_nothing(int listener, int keeper);

/** The process that is forked next is one of ours: it inherits everything. wsgi_heirs_lose() ends that in both. */
void wsgi_heirs_get_all(void);
void wsgi_heirs_lose(int listener, int keeper);

#endif
