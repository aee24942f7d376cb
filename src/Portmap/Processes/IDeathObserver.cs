namespace Portmap.Processes;

/// <summary>Who is told that a process has ended.</summary>
internal interface IDeathObserver
{
    /// <summary>The process is gone.</summary>
    /// <remarks>Called on the thread of the watch: it must not block, and may not throw.</remarks>
    void OnProcessExited();
}
