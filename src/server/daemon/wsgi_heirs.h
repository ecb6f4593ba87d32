#ifndef WSGI_HEIRS_H
#define WSGI_HEIRS_H

/**
 * Processes that application code forks inherit every descriptor of their worker, and may outlive it. They do not get
 * the listener, on which connections would wait that nobody accepts, nor the line to the keeper, which would
 * not see that the worker is gone, nor the accepted connections: an Apache child that waits for an answer on one of
 * them would not see it either. In place of each connection is the end of one that nobody else holds. What the
 * application itself has opened stays. Costs requests nothing, and a fork one system call for 512 descriptors that the
 * process may have and one for each that is open.
 * @param listener, keeper closed in every process that this one forks from now on, for the life of the process.
 *                         Connections are known by the address of the listener
 * @return 0, or an error number
 */
int wsgi_heirs_get_nothing(int listener, int keeper);

/** The process that is forked next is one of ours: it inherits everything. wsgi_heirs_lose() ends that in both. */
void wsgi_heirs_get_all(void);
void wsgi_heirs_lose(int listener, int keeper);

#endif
