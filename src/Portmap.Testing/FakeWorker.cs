using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Portmap.Testing;

/// <summary>A worker on a <see cref="FakeMachine"/> that does what <c>WorkerPort</c> does in a real
/// one: it reads its PORTMAP_ environment, listens, heals a port that is in use, signs in, and
/// signs out.</summary>
/// <remarks>Made by <see cref="PortTestWorld.StartWorker"/>. One thread at a time uses it, but for
/// <see cref="Process"/>.</remarks>
public sealed class FakeWorker
{
    private readonly PortTestWorld _world;
    private readonly string? _name;
    private readonly PortRange[] _range;
    private readonly PortRange[] _exclude;
    private readonly int _told;
    private readonly long[] _epochs;   // of each protocol
    private PortSession? _session;

    internal FakeWorker(PortTestWorld world, FakeProcess process, ProcessStartInfo startInfo, string? name)
    {
        _world = world;
        _name = name;
        Process = process;
        IDictionary<string, string?> environment = startInfo.Environment;
        Owner = Get(PortmapVariables.Owner) ?? throw new InvalidOperationException(
            $"{PortmapVariables.Of(PortmapVariables.Owner, name)} is not set: give the ProcessStartInfo to PortLease.PrepareStart before the worker is started.");
        _told = int.Parse(Get(PortmapVariables.Port) ?? "0", CultureInfo.InvariantCulture);
        Protocol = Get(PortmapVariables.Protocol) switch
        {
            PortmapVariables.Udp => PortProtocol.Udp,
            PortmapVariables.TcpAndUdp => PortProtocol.TcpAndUdp,
            _ => PortProtocol.Tcp,
        };
        _epochs = new long[Halves.Length];
        _epochs.AsSpan().Fill(long.Parse(Get(PortmapVariables.Epoch) ?? "0", CultureInfo.InvariantCulture));
        _range = RangesOf(PortmapVariables.Range);
        _exclude = [.. PartsOf(PortmapVariables.Exclude).Select(PortRange.Parse)];   // of any number of parts, other than a list, and one port may stand there twice

        string? Get(string variable) => environment.TryGetValue(PortmapVariables.Of(variable, name), out string? value) ? value : null;

        PortRange[] RangesOf(string variable) => Get(variable) is { Length: > 0 } text ? [.. PortRange.ParseList(text)] : [];

        string[] PartsOf(string variable) => Get(variable)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
    }

    /// <summary>The process: kill it, or have it listen on more.</summary>
    public FakeProcess Process { get; }

    /// <summary>The name the port is held under.</summary>
    public string Owner { get; }

    /// <summary>TCP, UDP or both.</summary>
    public PortProtocol Protocol { get; }

    /// <summary>The port it listens on; 0 until it does.</summary>
    public int Port { get; private set; }

    /// <summary>The fencing token: of the lease, and once it has signed in, of the
    /// registration.</summary>
    public long Epoch => _epochs[0];

    /// <summary>Listens and signs in. When it listens already, it signs in again, as a worker does
    /// when the daemon was restarted or the connection broke.</summary>
    /// <returns>The entry; with both protocols that of TCP.</returns>
    /// <remarks>A port that is in use is reported, and the answer brings another one. A worker that
    /// was told no port takes the lowest of its range that no process of the machine has. One whose
    /// lease ran out signs in without it, unless somebody newer has the owner.</remarks>
    /// <exception cref="PortRefusedException">Signing in was refused, or too many ports in a row
    /// were in use.</exception>
    /// <exception cref="InvalidOperationException">Its process has died.</exception>
    public async Task<PortEntry> SignInAsync()
    {
        if (!Process.IsAlive)
        {
            throw new InvalidOperationException($"Process {Process.Id} has died.");   // else whoever has its number by now would sign in
        }

        Disconnect();
        PortSession session = _session = Process.Connect(_world.Registry);
        try
        {
            if (Port == 0)
            {
                await ListenAsync(session).ConfigureAwait(false);
            }

            PortEntry[] entries = new PortEntry[Halves.Length];
            for (int i = 0; i < entries.Length; i++)
            {
                entries[i] = await RegisterAsync(session, i, entries[0]).ConfigureAwait(false);
            }

            for (int i = 0; i < entries.Length; i++)
            {
                _epochs[i] = entries[i].Epoch ?? _epochs[i];
            }

            return entries[0];
        }
        catch
        {
            Disconnect();
            throw;
        }
    }

    /// <summary>Signs out, then closes its sockets, as a worker that stops in order. The process
    /// lives on.</summary>
    /// <exception cref="PortRefusedException">The release was refused.</exception>
    /// <exception cref="InvalidOperationException">It is not signed in.</exception>
    public async Task SignOutAsync()
    {
        PortSession session = _session ?? throw new InvalidOperationException($"'{Owner}' is not signed in.");
        foreach (PortProtocol half in Halves)
        {
            await session.ReleaseAsync(new PortClaimRequest(Owner, Port) { Protocol = half }).ConfigureAwait(false);
        }

        Process.Close(Port, Protocol);
        Port = 0;
        Disconnect();
    }

    /// <summary>Its connection breaks while it lives and listens: <see cref="SignInAsync"/> makes
    /// another one. Nothing when there is none.</summary>
    public void Disconnect()
    {
        _ = _session?.DisposeAsync().AsTask();   // returns at once
        _session = null;
    }

    /// <summary>Its name and port, for messages.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Owner}{(_name is null ? string.Empty : $" ({_name})")}, pid {Process.Id}, port {Port}");

    private PortProtocol[] Halves => Protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [Protocol];

    /// <summary>Registers one protocol; the other one, which was first, is not kept without
    /// it.</summary>
    private async Task<PortEntry> RegisterAsync(PortSession session, int half, PortEntry first)
    {
        PortClaimRequest claim = new(Owner, Port) { Epoch = _epochs[half], Protocol = Halves[half] };
        try
        {
            try
            {
                return await session.RegisterAsync(claim).ConfigureAwait(false);
            }
            catch (PortRefusedException e) when (claim.Epoch != 0 && e.Refusal is { Reason: PortRefusalReason.Stale, HolderEpoch: null })
            {
                return await session.RegisterAsync(claim with { Epoch = null }).ConfigureAwait(false);
            }
        }
        catch (PortRefusedException) when (half > 0)
        {
            await session.ReleaseAsync(new PortClaimRequest(Owner, Port) { Epoch = first.Epoch, Protocol = Halves[0] }).ConfigureAwait(false);
            throw;
        }
    }

    private async Task ListenAsync(PortSession session)
    {
        int port = _told;
        while (true)
        {
            if (port == 0)
            {
                Port = Pick();
                return;
            }

            try
            {
                Process.Listen(port, Protocol);
                Port = port;
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                PortLease lease = await session.ReportBindFailureAsync(new PortClaimRequest(Owner, port) { Epoch = Epoch, Protocol = Protocol }).ConfigureAwait(false);
                port = lease.Port;
                _epochs.AsSpan().Fill(lease.Epoch);
            }
        }
    }

    private int Pick()
    {
        foreach (PortRange range in _range)
        {
            for (int port = range.First; port <= range.Last; port++)
            {
                if (!Array.Exists(_exclude, excluded => excluded.Contains(port)) && Array.TrueForAll(Halves, half => _world.Machine.HolderOf(port, half) is null))
                {
                    Process.Listen(port, Protocol);
                    return port;
                }
            }
        }

        throw new PortRefusedException(new PortRefusal(
            PortRefusalReason.Exhausted, $"Every port of {string.Join(',', _range)} is in use on the machine; '{Owner}' finds none. Widen the range or end a process.")
        { Owner = Owner });
    }
}
