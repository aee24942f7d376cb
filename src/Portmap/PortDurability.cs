namespace Portmap;

/// <summary>
/// When a change of a registry with a store is complete. Without a store it means nothing: every
/// change is complete at once.
/// </summary>
public enum PortDurability
{
    /// <summary>
    /// When its fact is on disk: what was acknowledged is there after <c>kill -9</c> and after
    /// power loss. The <c>TryX</c> forms of the verbs that change are not available then, because
    /// they never wait.
    /// </summary>
    Confirmed = 0,

    /// <summary>
    /// At once; the fact is on its way to the disk within
    /// <see cref="PortRegistryOptions.BackgroundFlush"/>, and on disk when the registry was
    /// disposed in order. After a crash the changes of that time, and of the write that was under
    /// way, may be missing: a port may be held for a while that was given back, and a process that
    /// had registered just then has to sign in again before it is known.
    /// </summary>
    Background = 1,
}
