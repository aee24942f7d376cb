using System.Diagnostics;

namespace Portmap.Concurrency.Tests;

/// <summary>Real processes that do nothing, so that claims have living owners other than this
/// process.</summary>
internal sealed class Children : IDisposable
{
    private readonly List<Process> _processes;

    public Children(int count) => _processes = [.. Enumerable.Range(0, count).Select(_ => Start())];

    public IEnumerable<int> Ids => _processes.Select(process => process.Id);

    public static Process Start() => Process.Start(new ProcessStartInfo("/bin/sleep", "600"))!;

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            process.Kill();
            process.WaitForExit(Deadline.Default);
            process.Dispose();
        }
    }
}
