using System.Diagnostics;
using System.Globalization;

namespace Portmap.Tests.Support;

/// <summary>Servers as they are met in the world: behind wrappers, that fork, that share a port.
/// Each says "NAME PID" for each of its processes that listens.</summary>
internal sealed class Programs : IDisposable
{
    private const string Prelude = """
        import os,socket,sys,time,signal
        port=int(sys.argv[1]) if len(sys.argv)>1 else 0
        def open_(port,*options):
            s=socket.socket()
            for o in (socket.SO_REUSEADDR,)+options: s.setsockopt(socket.SOL_SOCKET,o,1)
            s.bind((os.environ.get('HOST','127.0.0.1'),port)); s.listen(); return s
        def say(name): os.write(1,f'{name} {os.getpid()}\n'.encode())
        def rest(): time.sleep(600)

        """;

    /// <summary>Listens itself.</summary>
    public const string Plain = "s=open_(port); say('listener'); rest()";

    /// <summary>A daemon of the old school: its parents are gone when it listens.</summary>
    public const string ForksTwice = """
        if os.fork(): os._exit(0)
        os.setsid()
        if os.fork(): os._exit(0)
        time.sleep(float(os.environ.get('LATER','0'))); s=open_(port); say('listener'); rest()
        """;

    /// <summary>A master that listens, and workers that have its socket.</summary>
    public const string Prefork = """
        s=open_(port)
        for i in range(3):
            if os.fork()==0: say('worker'); rest()
        say('master'); rest()
        """;

    /// <summary>A master that does not listen, and workers that each have a socket of their own on
    /// the port.</summary>
    public const string ReusePort = """
        for i in range(3):
            if os.fork()==0:
                s=open_(port,socket.SO_REUSEPORT); say('worker'); rest()
        rest()
        """;

    /// <summary>A debugger's port first, and when a line comes the port that counts.</summary>
    public const string DebuggerFirst = """
        d=open_(int(sys.argv[2])); say('debugger'); sys.stdin.readline(); s=open_(port); say('listener'); rest()
        """;

    /// <summary>Closes its listener when a line comes, and lives on.</summary>
    public const string Closes = "s=open_(port); say('listener'); sys.stdin.readline(); s.close(); say('idle'); rest()";

    /// <summary>Listens when a line comes.</summary>
    public const string ListensAtALine = "say('idle'); sys.stdin.readline(); s=open_(port); say('listener'); rest()";

    /// <summary>A master that closes its listener when a line comes; its worker has it
    /// still.</summary>
    public const string LeavesItToAWorker = """
        s=open_(port)
        if os.fork()==0: say('worker'); rest()
        sys.stdin.readline(); s.close(); say('master'); rest()
        """;

    private readonly List<Process> _started = [];
    private readonly HashSet<int> _listeners = [];

    /// <summary>Starts one behind a shell's command in which @ stands for the program.</summary>
    public Process Start(string script, string command = "exec @", PortLease? lease = null, Action<ProcessStartInfo>? configure = null, params int[] ports)
    {
        string program = string.Create(CultureInfo.InvariantCulture, $"python3 -c '{(Prelude + script).Replace("'", "'\\''", StringComparison.Ordinal)}' {string.Join(' ', ports)}");
        ProcessStartInfo start = new("/bin/sh", ["-c", command.Replace("@", program, StringComparison.Ordinal)]) { RedirectStandardOutput = true, RedirectStandardInput = true };
        lease?.PrepareStart(start);
        configure?.Invoke(start);
        Process process = Process.Start(start)!;
        _started.Add(process);
        return process;
    }

    /// <summary>The next process that listens, or says that it waits.</summary>
    public async Task<(string Name, int ProcessId)> NextAsync(Process process)
    {
        string[] words = (await process.StandardOutput.ReadLineAsync().Within() ?? "ended 0").Split(' ');
        int id = int.Parse(words[1], CultureInfo.InvariantCulture);
        _listeners.Add(id);
        return (words[0], id);
    }

    /// <summary>The same, of several at once.</summary>
    public async Task<ILookup<string, int>> AllAsync(Process process, int count)
    {
        List<(string Name, int ProcessId)> all = [];
        while (all.Count < count)
        {
            all.Add(await NextAsync(process));
        }

        return all.ToLookup(one => one.Name, one => one.ProcessId);
    }

    /// <summary>SIGKILL; whether it was a child of ours or not.</summary>
    public static void Kill(int processId)
    {
        try
        {
            using Process process = Process.GetProcessById(processId);
            process.Kill();
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    public void Dispose()
    {
        foreach (int listener in _listeners.Where(listener => listener > 0 && File.Exists($"/proc/{listener}/stat")))
        {
            Kill(listener);
        }

        foreach (Process process in _started)
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            process.Dispose();
        }
    }
}
