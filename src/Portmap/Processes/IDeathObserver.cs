namespace Portmap.Processes;

/// <summary>Who is told that a process has ended.</summary>
internal interface IDeathObserver
{
    /// <summary>The process is gone. Called on the thread of the watch: it must not block, and may not throw.</summary>
    void OnProcessExited();
}
