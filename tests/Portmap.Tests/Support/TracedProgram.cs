using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;
using Portmap.Guarding;
using Portmap.Native;
using Portmap.Processes;
using Portmap.TestKit.Processes;

namespace Portmap.Tests.Support;

/// <summary>This assembly, run as a program of which each system call of a kind is written
/// down.</summary>
internal static class TracedProgram
{
    /// <summary>Has one look for the sockets of a process, and for who holds a port.</summary>
    /// <returns>What it found, and the calls that follow a link.</returns>
    public static Task<(string Said, string[] Calls)> LookForHoldersAsync(int processId, int port) => RunAsync(
        "stat,newfstatat,statx,open,openat,access,faccessat2", string.Create(CultureInfo.InvariantCulture, $"holders {processId} {port}"));

    /// <summary>Has one read the book of deaths that has room for many, after some have
    /// died.</summary>
    /// <returns>What it noted, and how it asked.</returns>
    public static Task<(string Said, string[] Calls)> ReadBookAsync(int deaths) => RunAsync(
        "epoll_wait,epoll_pwait,epoll_pwait2", string.Create(CultureInfo.InvariantCulture, $"book {deaths}"));

    internal static int LookForHolders(string processId, string port)
    {
        int process = int.Parse(processId, CultureInfo.InvariantCulture), number = int.Parse(port, CultureInfo.InvariantCulture);
        HashSet<long>? sockets = ProcessSockets.Of(process);
        ForeignHolder? holder = new ForeignHolders(null).Of(PortProtocol.Tcp, number)[0];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{ListenTable.Read(PortProtocol.Tcp).Listens(number, sockets!)} {holder?.ProcessId}"));
        return 0;
    }

    internal static int ReadBook(string deaths)
    {
        DeathWatch watch = new(places: 1_000);
        Observer observer = new();
        List<(int Place, SafeFileHandle Process)> entered = [];
        for (int i = 0; i < int.Parse(deaths, CultureInfo.InvariantCulture); i++)
        {
            using Process process = Process.Start("/bin/sleep", "600");
            int place = watch.TakePlace(observer);
            SafeFileHandle descriptor = Posix.OpenProcess(process.Id, out _)!;
            watch.TryEnter(place, descriptor);
            entered.Add((place, descriptor));
            process.Kill();
            process.WaitForExit();
        }

        watch.ReadBook();
        Console.WriteLine(entered.Count(one => watch.HasNote(one.Place)));
        entered.ForEach(one => one.Process.Dispose());
        GC.KeepAlive(observer);
        return 0;
    }

    private static async Task<(string Said, string[] Calls)> RunAsync(string calls, string arguments)
    {
        using TempFolder folder = new();
        string known = string.Join(',', calls.Split(',').Select(call => $"?{call}"));   // not every machine has each of them
        using Child child = Child.Start(
            "/bin/sh", "-c", $"DOTNET_EnableDiagnostics=0 exec strace -f -qq -o '{folder["calls"]}' -e trace='{known}' {GuardingDaemon.ThisAssembly} {arguments}");
        string said = await child.Process.StandardOutput.ReadToEndAsync().Within(TimeSpan.FromMinutes(2));
        return (said.Trim(), [.. (await File.ReadAllLinesAsync(folder["calls"]).Within()).Select(line => Regex.Replace(line, "^[0-9]+ +", string.Empty))]);
    }

    private sealed class Observer : IDeathObserver
    {
        public void OnProcessExited()
        {
        }
    }
}
