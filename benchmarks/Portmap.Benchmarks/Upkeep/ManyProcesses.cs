using System.Diagnostics;
using System.Globalization;

namespace Portmap.Benchmarks.Upkeep;

/// <summary>Thousands of processes that do nothing: each waits for the end of a pipe, which comes
/// when this is disposed, or with this process.</summary>
internal sealed class ManyProcesses : IDisposable
{
    private readonly Process _shell;

    public ManyProcesses(int count)
    {
        string script = string.Create(
            CultureInfo.InvariantCulture, $"exec 3<&0; i=0; while [ $i -lt {count} ]; do cat <&3 >/dev/null & echo $!; i=$((i+1)); done; exec 3<&-; wait");
        _shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        int[] ids = new int[count];
        for (int i = 0; i < count; i++)
        {
            ids[i] = int.Parse(_shell.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"Only {i} processes could be started."), CultureInfo.InvariantCulture);
        }

        Ids = ids;
    }

    public IReadOnlyList<int> Ids { get; }

    public void Dispose()
    {
        _shell.StandardInput.Close();
        _shell.WaitForExit();
        _shell.Dispose();
    }
}
