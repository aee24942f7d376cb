using System.Globalization;

namespace Portmap.Tests.Support;

/// <summary>A real process that opens sockets as it is told: with any options, at any address, as
/// any user.</summary>
internal sealed class Puppet : IDisposable
{
    // Lines in: open NAME FAMILY ADDRESS PORT REUSEADDR REUSEPORT V6ONLY LISTEN | listen NAME |
    // close NAME | fork NAME …; lines out: ok, or errno's name. Addresses that are set aside for
    // documents are bound though no host has them (IP_FREEBIND).
    private const string Program =
        """
        import errno, os, socket, sys
        uid = int(sys.argv[1])
        if uid != os.getuid():
            os.setgid(uid); os.setuid(uid)
        held = {}
        def opened(family, address, port, reuse, group, v6only, listens, kind):
            s = socket.socket(socket.AF_INET6 if family == '6' else socket.AF_INET, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
            if family == '6': s.setsockopt(41, 26, int(v6only))
            if address.startswith('192.0.2.'): s.setsockopt(0, 15, 1)
            if address.startswith('2001:db8:'): s.setsockopt(41, 78, 1)
            s.setsockopt(1, 2, int(reuse)); s.setsockopt(1, 15, int(group))
            try:
                s.bind((address, int(port)))
                if listens == '1' and kind != 'udp': s.listen()
            except OSError:
                s.close(); raise
            return s
        for line in sys.stdin:
            words = line.split()
            try:
                if words[0] == 'open': held[words[1]] = opened(*words[2:])
                elif words[0] == 'listen': held[words[1]].listen()
                elif words[0] == 'connect':
                    s = socket.socket(); s.bind(('127.0.0.1', int(words[2]))); s.connect(('127.0.0.1', int(words[3]))); held[words[1]] = s
                elif words[0] == 'fork':
                    r, w = os.pipe()
                    if os.fork() == 0:
                        try: held[words[1]] = opened(*words[2:]); os.write(w, b'ok')
                        except OSError as e: os.write(w, errno.errorcode[e.errno].encode())
                        os.close(w)
                        import time; time.sleep(600)
                    os.close(w); answer = os.read(r, 32).decode(); os.close(r); print(answer, flush=True); continue
                elif words[0] == 'close': held.pop(words[1]).close()
                print('ok', flush=True)
            except OSError as e:
                print(errno.errorcode[e.errno], flush=True)
        """;

    private readonly Child _child;

    private Puppet(Child child) => _child = child;

    public int Id => _child.Id;

    /// <summary>Whether this kind of test may start processes of other users.</summary>
    public static bool IsRoot => Environment.IsPrivilegedProcess;

    /// <param name="user">The user id it runs under; 0 is root, which the test then has to
    /// be.</param>
    public static Puppet Start(int? user = null) => new(Child.Start(new System.Diagnostics.ProcessStartInfo(
        "python3", ["-u", "-c", Program, (user ?? CurrentUser()).ToString(CultureInfo.InvariantCulture)])
    { RedirectStandardInput = true, RedirectStandardOutput = true }));

    /// <summary>Opens a socket; the answer is "ok" or the name of the error, such as
    /// EADDRINUSE.</summary>
    public Task<string> OpenAsync(string name, Place place, int port, bool reuse = true, bool group = false, bool listen = true, bool udp = false) =>
        TellAsync($"open {name} {Words(place, port, reuse, group, listen, udp)}");

    /// <summary>Opens it in a child of this process.</summary>
    public Task<string> ForkAsync(Place place, int port, bool reuse = true, bool group = false) => TellAsync($"fork child {Words(place, port, reuse, group, listen: true, udp: false)}");

    public Task<string> ListenAsync(string name) => TellAsync($"listen {name}");

    /// <summary>Connects from a local port to another one of this host.</summary>
    public Task<string> ConnectAsync(string name, int from, int to) => TellAsync(FormattableString.Invariant($"connect {name} {from} {to}"));

    public Task<string> CloseAsync(string name) => TellAsync($"close {name}");

    /// <summary>Whether a socket listens for a moment.</summary>
    public async Task<bool> GetsInAsync(Place place, int port, bool group)
    {
        string answer = await OpenAsync("knock", place, port, reuse: true, group);
        if (answer == "ok")
        {
            await CloseAsync("knock");
        }

        return answer == "ok";
    }

    public void Kill() => _child.Kill();

    public void Dispose() => _child.Dispose();

    private static string Words(Place place, int port, bool reuse, bool group, bool listen, bool udp) => string.Create(
        CultureInfo.InvariantCulture,
        $"{(place.Address.Contains(':') ? 6 : 4)} {place.Address} {port} {(reuse ? 1 : 0)} {(group ? 1 : 0)} {(place.IsV6Only ? 1 : 0)} {(listen ? 1 : 0)} {(udp ? "udp" : "tcp")}");

    private static int CurrentUser() => int.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2], CultureInfo.InvariantCulture);

    private async Task<string> TellAsync(string line)
    {
        await _child.Process.StandardInput.WriteLineAsync(line).Within();
        await _child.Process.StandardInput.FlushAsync().Within();
        return await _child.Process.StandardOutput.ReadLineAsync().Within() ?? throw new InvalidOperationException($"The process {Id} ended at: {line}");
    }
}

/// <summary>Where a socket is bound.</summary>
internal readonly record struct Place(string Address, bool IsV6Only = false)
{
    public static Place[] All { get; } = [new("127.0.0.1"), new("0.0.0.0"), new("::1"), new("::"), new("::", IsV6Only: true), new("127.0.0.9"), new("127.0.0.2")];

    public override string ToString() => IsV6Only ? $"{Address} only" : Address;
}
