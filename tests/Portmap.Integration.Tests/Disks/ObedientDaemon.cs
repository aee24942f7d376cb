using System.Diagnostics;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Disks;

/// <summary>A daemon in a process of its own that confirms what it is told to, over disks that fail
/// below .NET.</summary>
internal sealed class ObedientDaemon : IAsyncDisposable
{
    private readonly ChildProcess _process;

    private ObedientDaemon(ChildProcess process) => _process = process;

    public static ObedientDaemon Start(string folder, ProcessStartInfo? start = null) =>
        new(ChildProcess.Start(start ?? Samples.Crash, "obey", folder, "41100-41199"));

    /// <summary>Starts it under strace, which puts failures in the place of system calls.</summary>
    public static ObedientDaemon StartTraced(string folder, string injection)
    {
        ProcessStartInfo daemon = Samples.Crash;
        ProcessStartInfo strace = new("strace");
        return Start(folder, With(strace, daemon, ["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", $"inject={injection}", daemon.FileName]));
    }

    public async Task<string> OpenAsync() => await _process.ReadLineAsync();

    public async Task<string> AskAsync(string command)
    {
        await _process.Process.StandardInput.WriteLineAsync(command).Within();
        await _process.Process.StandardInput.FlushAsync().Within();
        return await _process.ReadLineAsync();
    }

    /// <summary>Closes it as a host does.</summary>
    public async Task CloseAsync()
    {
        _process.Process.StandardInput.Close();
        (await _process.ReadLineAsync()).Should().Be("closed");
        await _process.ExitAsync();
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.ExitAsync();
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static ProcessStartInfo With(ProcessStartInfo start, ProcessStartInfo inner, IEnumerable<string> arguments)
    {
        foreach ((string name, string? value) in inner.Environment)
        {
            start.Environment[name] = value;
        }

        foreach (string argument in arguments.Concat(inner.ArgumentList))
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }
}
