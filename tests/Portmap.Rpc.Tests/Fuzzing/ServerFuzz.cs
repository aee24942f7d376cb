using System.Buffers.Binary;
using System.Net.Sockets;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>The detector for a server that runs: each input over a connection of its own, which
/// must end in answers or in a close.</summary>
internal sealed class ServerFuzz(PortmapEndpoint endpoint, TimeSpan limit)
{
    private const uint LastFragment = 0x8000_0000;
    private const uint Reply = 1;

    private static readonly SocketError[] s_close = [SocketError.ConnectionReset, SocketError.Shutdown, SocketError.ConnectionAborted];

    public async Task CheckAsync(FuzzInput input)
    {
        using Socket socket = new(endpoint.Family, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(endpoint.EndPoint);
        List<byte> answers = [];
        try
        {
            foreach (ArraySegment<byte> piece in input.Split())
            {
                await socket.SendAsync(piece).Within(limit);
            }

            socket.Shutdown(SocketShutdown.Send);
            byte[] buffer = new byte[8_192];
            int count;
            while ((count = await socket.ReceiveAsync(buffer).Within(limit)) > 0)
            {
                answers.AddRange(buffer.AsSpan(0, count));
            }
        }
        catch (SocketException e) when (s_close.Contains(e.SocketErrorCode))
        {
            // Closed before it had read all of it, which may take the last answers with it.
            return;
        }

        CheckAnswers(answers.ToArray());
    }

    private static void CheckAnswers(byte[] bytes)
    {
        int at = 0;
        while (at < bytes.Length)
        {
            uint mark = at + 12 <= bytes.Length ? BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)) : 0;
            int end = at + 4 + (int)(mark & ~LastFragment);
            if ((mark & LastFragment) == 0 || end > bytes.Length || BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at + 8)) != Reply)
            {
                throw new InvalidOperationException($"What came back is no answer: {Convert.ToHexStringLower(bytes)}");
            }

            at = end;
        }
    }
}
