using System.Buffers.Binary;
using CsCheck;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>A stream of bytes that may or may not be messages, and the pieces in which it
/// arrives.</summary>
/// <param name="Bytes">Random bytes, or messages of the corpus, mutated and cut.</param>
/// <param name="Pieces">The lengths of the pieces, over and over again.</param>
/// <param name="Program">What the reader takes an answer to be an answer of.</param>
/// <param name="Procedure">The procedure of it.</param>
internal sealed record FuzzInput(byte[] Bytes, int[] Pieces, uint Program, uint Procedure)
{
    /// <summary>A program that no daemon serves, other than in the tests of the detector.</summary>
    public const uint HostProgram = 0x4655_5a5a;

    private const uint LastFragment = 0x8000_0000;

    private static readonly uint[] s_programs = [Wire.Portmap, Wire.Gluster, Wire.GfDump, HostProgram];

    private static readonly uint[] s_interesting = [0, 1, 3, 4, 0x7f, 0xff, 0xffff, 0x1000, 0x1001, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffc, 0xffff_ffff];

    private static readonly Gen<int[]> s_pieces = Gen.OneOf(Gen.Const((int[])[int.MaxValue]), Gen.Int[1, 64].Array[1, 5]);

    /// <summary>Anything: messages, what is left of them, and noise.</summary>
    public static Gen<FuzzInput> Any { get; } = Of(CorpusFile.All);

    /// <summary>The same, of what is sent to a server.</summary>
    public static Gen<FuzzInput> Calls { get; } = Of([.. CorpusFile.All.Where(file => file.IsCall)]);

    /// <summary>The pieces, each on its own.</summary>
    public IEnumerable<ArraySegment<byte>> Split()
    {
        int at = 0;
        for (int i = 0; at < Bytes.Length; i++)
        {
            int count = Math.Min(Pieces[i % Pieces.Length], Bytes.Length - at);
            yield return new ArraySegment<byte>(Bytes, at, count);
            at += count;
        }
    }

    public override string ToString() => $"{Convert.ToHexStringLower(Bytes)} in pieces of {string.Join(", ", Pieces)}, read as {Program:x} {Procedure}";

    private static Gen<FuzzInput> Of(IReadOnlyList<CorpusFile> files)
    {
        Gen<Mutation[]> mutations = Gen.Select(Gen.Int[0, 6], Gen.Int[0, 1_023], Gen.UInt, (kind, at, value) => new Mutation(kind, at, value)).Array[0, 4];
        Gen<FuzzInput> mutated = Gen.Select(Gen.Int[0, files.Count - 1], Gen.Int[0, files.Count - 1], mutations, Gen.Int[0, 3], s_pieces, (first, second, changes, frame, pieces) =>
        {
            CorpusFile file = files[first];
            byte[] bytes = Mark(changes.Aggregate(file.Bytes, (bytes, change) => change.Apply(bytes)), frame);
            return new FuzzInput(frame == 0 ? bytes : [.. bytes, .. files[second].Bytes], pieces, file.Program ?? Wire.Portmap, file.Program is null ? 1 : file.Procedure);
        });
        Gen<FuzzInput> random = Gen.Select(Gen.Byte.Array[0, 120], Gen.Int[0, 3], Gen.UInt[0, 9], Gen.Int[0, 2], s_pieces, (bytes, program, procedure, frame, pieces) =>
            new FuzzInput(
                frame switch { 0 => bytes, 1 => Wire.Record(bytes), _ => Wire.Call(7, s_programs[program], procedure, bytes) },
                pieces,
                s_programs[program],
                procedure));
        return Gen.Frequency((4, mutated), (1, random));
    }

    // Three of four are framed anew, so that what is wrong in them is found behind the frame.
    private static byte[] Mark(byte[] bytes, int frame)
    {
        if (frame == 0 || bytes.Length < 4)
        {
            return bytes;
        }

        byte[] marked = [.. bytes];
        BinaryPrimitives.WriteUInt32BigEndian(marked, LastFragment | (uint)(bytes.Length - 4));
        return marked;
    }

    /// <summary>One change of a message.</summary>
    private readonly record struct Mutation(int Kind, int At, uint Value)
    {
        public byte[] Apply(byte[] bytes)
        {
            int at = At % (bytes.Length + 1), word = Math.Min(at & ~3, bytes.Length & ~3), few = (int)(Value % 9);
            switch (Kind)
            {
                case 0 when at < bytes.Length:
                    return [.. bytes[..at], (byte)(bytes[at] ^ (1 << (int)(Value % 8))), .. bytes[(at + 1)..]];
                case 1 when word + 4 <= bytes.Length:
                    return [.. bytes[..word], .. Wire.Words(s_interesting[Value % s_interesting.Length]), .. bytes[(word + 4)..]];
                case 2 when word + 4 <= bytes.Length:
                    return [.. bytes[..word], .. Wire.Words(Value), .. bytes[(word + 4)..]];
                case 3:
                    return bytes[..at];
                case 4:
                    return [.. bytes[..at], .. Wire.Words(Value, Value)[..Math.Min(few, 8)], .. bytes[at..]];
                case 5:
                    return [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + few)..]];
                default:
                    return [.. bytes[..at], .. bytes[(at / 2)..]];
            }
        }
    }
}
